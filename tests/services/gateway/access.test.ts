import t from 'tap'
import { HttpError } from '../../../http/error.ts'
import type { Visit } from '../../../http/server.ts'
import { admissions } from '../../../services/gateway/access.ts'
import { headOf } from '../../http/serving.ts'
import { operator } from './samples.ts'

const admit = admissions({
  network: { address: '10.0.0.1', prefix: 24 },
  signIn: {
    operatorOf: authorization => {
      if (authorization === 'Bearer good') return operator.address
      throw new HttpError(401, 'no', 'no')
    },
  },
})

const headFrom = (from: string, authorization?: string) =>
  headOf(new URL('http://node/'), { from, headers: { authorization } })

for (const from of ['127.0.0.1', '127.255.255.254', '10.0.0.1', '10.0.0.254'])
  t.test(`'network' lets ${from} in`, async t => t.doesNotThrow(() => admit.network(headFrom(from))))

const outside = [
  '10.0.1.1',
  '192.0.2.7',
  '126.255.255.255',
  '128.0.0.1',
  '0.0.0.0',
  '::1',
  '::ffff:10.0.0.2',
  '',
]
for (const from of outside)
  t.test(`'network' refuses '${from}' with 403`, async t =>
    t.throws(() => admit.network(headFrom(from, 'Bearer good')), { name: 'HttpError', status: 403 }),
  )

t.test("'operators' notes who came, wherever from; 'anyone' notes nobody", async t => {
  const head = headFrom('192.0.2.7', 'Bearer good')
  const visit: Visit = head.visit
  admit.anyone(head)
  t.equal(visit.who, undefined)
  admit.operators(head)
  t.equal(visit.who, operator.address)
  t.throws(() => admit.operators(headFrom('10.0.0.2')), { name: 'HttpError', status: 401 })
})
