import t from 'tap'
import { formatIpv4, isHostAddress, networkOf, parseIpv4, prefixOfMask } from '../../protocol/ipv4.ts'

const notAddresses = [
  '',
  '1.2.3',
  '1.2.3.4.5',
  '256.0.0.1',
  '01.2.3.4',
  '1.2.3.4 ',
  '0x1.2.3.4',
  '1..2.3',
  '-1.2.3.4',
]
for (const text of notAddresses)
  t.test(`parseIpv4() refuses '${text}'`, async t => t.equal(parseIpv4(text), undefined))

t.test('an address survives the way to a number and back', async t => {
  for (const text of ['0.0.0.0', '10.0.0.254', '192.168.1.7', '255.255.255.255'])
    t.equal(formatIpv4(parseIpv4(text) ?? -1), text)
})

const noHosts = ['0.0.0.0', '0.1.2.3', '127.0.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', 'localhost']
for (const text of noHosts) t.test(`no host can be ${text}`, async t => t.equal(isHostAddress(text), false))
t.test('a host can be 10.0.0.1', async t => t.equal(isHostAddress('10.0.0.1'), true))

const masks = [
  [0xffffffff, 32],
  [0xffffff00, 24],
  [0x80000000, 1],
  [0, 0],
  [0xff00ff00, undefined],
  [0x00ffffff, undefined],
] as const
for (const [mask, prefix] of masks)
  t.test(`mask ${formatIpv4(mask)} has the prefix ${String(prefix)}`, async t =>
    t.equal(prefixOfMask(mask), prefix),
  )

const networks = [
  ['10.0.0.7', 24, '10.0.0.0/24'],
  ['10.0.0.7', 32, '10.0.0.7/32'],
  ['200.1.2.3', 1, '128.0.0.0/1'],
] as const
for (const [address, prefix, network] of networks)
  t.test(`${address}/${prefix} lies in ${network}`, async t => t.equal(networkOf(address, prefix), network))

for (const [address, prefix] of [
  ['10.0.0.7', 0],
  ['10.0.0.7', 33],
  ['10.0.0.7', 1.5],
  ['10.0.0', 24],
] as const)
  t.test(`networkOf() refuses ${address}/${prefix}`, async t =>
    t.throws(() => networkOf(address, prefix), RangeError),
  )
