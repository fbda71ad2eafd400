import t from 'tap'
import { guardiansMax, nextMode, planShares, thresholds } from '../../../protocol/shares/plan.ts'
import { someNodeId } from '../cluster/sample.ts'

const rows = [
  [3, 3, 3],
  [4, 3, 3],
  [5, 3, 4],
  [6, 3, 4],
  [7, 3, 5],
  [9, 3, 6],
  [10, 4, 7],
  [12, 4, 8],
  [13, 5, 9],
  [63, 21, 42],
  [64, 22, 43],
] as const

for (const [count, threshold, quorum] of rows)
  t.test(`thresholds() of ${count} guardians: K = ${threshold}, W = ${quorum}`, async t => {
    t.same(thresholds(count), { threshold, quorum })
  })

t.test('a quorum outlives the loss of at least one guardian, but where only 4 are left', async t => {
  for (let count = 5; count <= guardiansMax; count++) {
    const { threshold, quorum } = thresholds(count)
    t.ok(quorum > threshold && quorum <= count, `${count}`)
  }
})

const members = Array.from({ length: 200 }, (_, at) => someNodeId(at))
const [node = ''] = members

t.test('planShares() leaves the node itself out, and takes all others up to 64', async t => {
  t.same(planShares(node, members.slice(0, 6)).guardians, members.slice(1, 6).toSorted())
  const { guardians } = planShares(node, members)
  t.equal(guardians.length, guardiansMax)
  t.notOk(guardians.includes(node))
})

t.test('planShares() does not depend on the order of members', async t => {
  t.same(planShares(node, members), planShares(node, members.toReversed()))
})

t.test(
  'planShares() moves one guardian where one leaves, and none where a stranger to the set does',
  async t => {
    const before = planShares(node, members).guardians
    const [lost = ''] = before
    const after = planShares(
      node,
      members.filter(one => one !== lost),
    ).guardians
    t.equal(after.filter(one => before.includes(one)).length, guardiansMax - 1)
    const outsider = members.find(one => one !== node && !before.includes(one)) ?? ''
    t.same(
      planShares(
        node,
        members.filter(one => one !== outsider),
      ).guardians,
      before,
    )
  },
)

t.test('planShares() spreads shares: nobody holds three times its part', async t => {
  const held = new Map<string, number>()
  for (const one of members)
    for (const guardian of planShares(one, members).guardians)
      held.set(guardian, (held.get(guardian) ?? 0) + 1)
  t.ok(Math.max(...held.values()) < 3 * guardiansMax)
})

const modes = [
  ['escrow', 4, 'escrow'],
  ['escrow', 5, 'shamir'],
  ['shamir', 5, 'shamir'],
  ['shamir', 4, 'degraded'],
  ['shamir', 3, 'ask-owner'],
  ['escrow', 0, 'escrow'],
] as const

for (const [mode, count, next] of modes)
  t.test(`nextMode() of ${mode} with ${count} guardians is ${next}`, async t => {
    t.equal(nextMode(mode, count), next)
  })
