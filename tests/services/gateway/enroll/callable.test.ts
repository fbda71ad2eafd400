import t from 'tap'
import { whyNotCallable } from '../../../../services/gateway/enroll/callable.ts'

const from = { network: { address: '10.0.0.1', prefix: 24 }, own: () => ['198.51.100.9', '192.168.1.5'] }

const never = [
  '0.0.0.0',
  '0.1.2.3',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.0.1',
  '169.254.169.254',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
  '10.0.0.0',
  '10.0.0.1',
  '10.0.0.7',
  '10.0.0.255',
  '198.51.100.9',
  '192.168.1.5',
]
for (const address of never)
  t.test(`${address} is not called`, async t => t.match(whyNotCallable(address, from), /./))

const called = [
  '1.1.1.1',
  '10.0.1.1',
  '172.16.0.1',
  '192.168.1.6',
  '100.64.0.1',
  '169.253.1.1',
  '223.255.255.254',
]
for (const address of called)
  t.test(`${address} is called`, async t => t.equal(whyNotCallable(address, from), undefined))
