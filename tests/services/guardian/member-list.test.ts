import t from 'tap'
import type { MemberList } from '../../../protocol/shares/store.ts'
import { memberCache } from '../../../services/guardian/member-list.ts'
import { newClock } from './clock.ts'

const list: MemberList = { cluster: '0a'.repeat(16), nodeId: 'nabcdefghijklmnop', members: [] }

t.test('members are asked for once a second, and by all who ask at the same time once', async t => {
  const clock = newClock()
  let asked = 0
  const members = memberCache(async () => {
    asked += 1
    return Promise.resolve({ ...list, members: [] })
  }, clock.nowMs)
  t.equal(await members(), await members())
  await Promise.all([members(), members()])
  clock.ms += 999
  await members()
  t.equal(asked, 1)
  clock.ms += 1
  await Promise.all([members(), members()])
  t.equal(asked, 2)
})

t.test('what failed is told to all who asked, and asked again', async t => {
  const answers = [Promise.reject(new Error('no answer')), Promise.resolve(list)]
  const members = memberCache(
    () => answers.shift() ?? Promise.reject(new Error('too often')),
    newClock().nowMs,
  )
  await Promise.all([t.rejects(members(), { message: 'no answer' }), t.rejects(members())])
  t.same(await members(), list)
})
