import t from 'tap'
import { newContacts, noting } from '../../../agent/shares/contacts.ts'
import type { GuardianClient } from '../../../agent/shares/guardian-client.ts'
import { GuardianRefusal } from '../../../agent/shares/world.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'

const guardian = someNodeId(1)
const epoch = newEpochId(1)

/** A client all of whose calls end like this, and what is known after one of them. */
async function after(end: () => Promise<never> | Promise<unknown>, signal = new AbortController().signal) {
  const contacts = newContacts(() => 7)
  const client = noting(
    { say: end, keep: end, deposit: end, release: end } as unknown as GuardianClient,
    contacts,
  )
  const deposit = { epoch, share: Buffer.alloc(97), keep: [] }
  const calls = [
    () => client.say(guardian, 'lease'),
    () => client.keep(guardian, []),
    () => client.deposit(guardian, deposit),
    () => client.release(guardian, epoch, signal),
  ]
  return { contacts, calls }
}

const rows = [
  ['an answer', () => Promise.resolve([]), true],
  ['a no', () => Promise.reject(new GuardianRefusal('held', 'no')), true],
  ['no route', () => Promise.reject(new Error('no route')), false],
] as const
for (const [what, end, reachable] of rows)
  t.test(`after ${what} a guardian is ${reachable ? '' : 'not '}reachable`, async t => {
    for (const at of [0, 1, 2, 3]) {
      const { contacts, calls } = await after(end)
      await calls[at]?.().catch(() => undefined)
      t.same(contacts.of(guardian), { reachable, sinceMs: 7 })
    }
  })

t.test('who was not waited for is not said to be away', async t => {
  const { contacts, calls } = await after(() => Promise.reject(new Error('aborted')), AbortSignal.abort())
  await t.rejects(async () => calls[3]?.())
  t.equal(contacts.of(guardian), undefined)
})

t.test('the time is that of the last change', async t => {
  let nowMs = 1
  const contacts = newContacts(() => nowMs)
  for (const [ms, reachable] of [
    [1, true],
    [2, true],
    [3, false],
    [4, false],
  ] as const) {
    nowMs = ms
    contacts.note(guardian, reachable)
  }
  t.same(contacts.of(guardian), { reachable: false, sinceMs: 3 })
})

t.test('who gave a wrong share is remembered until it gives a good one', async t => {
  const contacts = newContacts(() => 0)
  contacts.judge(new Map([[guardian, { kind: 'wrong' }]]))
  contacts.judge(new Map([[guardian, { kind: 'silent', why: 'no route' }]]))
  t.equal(contacts.isLiar(guardian), true)
  contacts.judge(new Map([[guardian, { kind: 'good' }]]))
  t.equal(contacts.isLiar(guardian), false)
})
