import t from 'tap'
import { type Admitted, admissionsMax, holdAdmissions } from '../../../agent/gateway/admissions.ts'
import { admissionFor, newcomer } from './samples.ts'

const { hello, grant } = admissionFor(await newcomer())
const openReply = () => Buffer.alloc(0)
const admitted = (endsMs: number, address = '10.0.0.2'): Admitted => ({
  hello,
  grant,
  owner: '',
  address,
  openReply,
  endsMs,
})

t.test('an entry is there until its grant ends, and no longer', async t => {
  const clock = { ms: 0 }
  const admissions = holdAdmissions(() => clock.ms)
  admissions.keep('a', admitted(1000))
  clock.ms = 999
  t.ok(admissions.find('a'))
  t.equal(admissions.find('b'), undefined)
  clock.ms = 1000
  t.equal(admissions.find('a'), undefined)
})

t.test(`${admissionsMax} wait at once; the same hello again is no other`, async t => {
  const clock = { ms: 0 }
  const admissions = holdAdmissions(() => clock.ms)
  for (let count = 0; count < admissionsMax; count++) admissions.keep(`${count}`, admitted(1000 + count))
  const more = () => {
    admissions.keep('more', admitted(5000))
  }
  t.throws(more, { status: 429, message: /are joining/ })
  admissions.keep('7', admitted(5000, '10.0.0.7'))
  t.equal(admissions.find('7')?.address, '10.0.0.7')
  clock.ms = 1000
  t.doesNotThrow(more, 'one is over')
  t.throws(() => {
    admissions.keep('again', admitted(5000))
  })
})
