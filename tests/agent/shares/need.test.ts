import t from 'tap'
import { lifetimeMs, needOf } from '../../../agent/shares/need.ts'
import type { Opening } from '../../../protocol/shares/opening.ts'
import { planShares } from '../../../protocol/shares/plan.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'

const ids = Array.from({ length: 12 }, (_, at) => someNodeId(at))
const [nodeId = ''] = ids
const now = new Date('2026-11-27T08:00:00Z')
const escrow: Opening = { kind: 'escrow', keyslot: 0, number: 1 }

/** The way over the guardians that so many members give. */
function shares(count: number, made = '2026-11-27T07:00:00Z', less = 0): Opening {
  const plan = planShares(nodeId, ids.slice(0, count))
  const holders = plan.guardians.map((node, at) => ({
    node,
    x: at + 1,
    salt: 'A'.repeat(22),
    hash: 'A'.repeat(43),
  }))
  const epoch = { number: 1, id: 'ab'.repeat(16), threshold: plan.threshold - less, made, holders }
  return { kind: 'shares', keyslot: 1, epoch }
}

const first = ids[1] ?? ''
const rows = [
  ['a genesis alone', escrow, 1, [], 'none'],
  ['4 other nodes', escrow, 5, [], 'none'],
  ['5 other nodes', escrow, 6, [], 'urgent'],
  ['the guardians that it has', shares(6), 6, [], 'none'],
  ['one guardian more', shares(6), 7, [], 'share'],
  ['one guardian less', shares(7), 6, [], 'share'],
  ['4 guardians left of 5', shares(6), 5, [], 'share'],
  ['the 4 guardians that it has', shares(5), 5, [], 'none'],
  ['3 guardians left', shares(6), 4, [], 'ask-owner'],
  ['a guardian that lost its share', shares(6), 6, [first], 'share'],
  ['a stranger that has none', shares(6), 6, [someNodeId(99)], 'none'],
  ['shares of 26 days ago', shares(6, '2026-11-01T08:00:00Z'), 6, [], 'none'],
  ['shares of 34 days ago', shares(6, '2026-10-24T08:00:00Z'), 6, [], 'share'],
  ['shares of a clock that was ahead by a day', shares(6, '2026-11-28T08:00:00Z'), 6, [], 'none'],
  ['shares of a clock that was ahead by more', shares(6, '2026-11-28T08:00:01Z'), 6, [], 'share'],
  ['shares of 2040', shares(6, '2040-01-01T00:00:00Z'), 6, [], 'share'],
  ['another threshold', shares(12, undefined, 1), 12, [], 'share'],
] as const

for (const [what, current, members, lacking, wanted] of rows)
  t.test(`with ${what}: ${wanted}`, async t => {
    const need = needOf({ nodeId, openings: { current } }, { members: ids.slice(0, members), lacking, now })
    t.equal(need.kind === 'share' && need.urgent ? 'urgent' : need.kind, wanted)
    if (need.kind === 'share') t.same(need.plan, planShares(nodeId, ids.slice(0, members)))
  })

t.test('a guardian that leaves is not kept waiting for others to leave', t => {
  const openings = { current: shares(7) }
  const members = ids.slice(0, 6)
  const gone = ids[6] ?? ''
  t.match(needOf({ nodeId, openings }, { members, lacking: [], now }), { urgent: false })
  t.match(needOf({ nodeId, openings }, { members, lacking: [], leaving: [gone], now }), { urgent: true })
  const other = someNodeId(99)
  t.match(needOf({ nodeId, openings }, { members, lacking: [], leaving: [other], now }), { urgent: false })
  t.end()
})

const dayMs = 24 * 3_600_000
const [made, epoch] = ['2026-11-27T07:00:00Z', { number: 1, id: 'ab'.repeat(16) }]

t.test('an epoch is old when its lifetime is over, and not before', async t => {
  const openings = { current: shares(6, made) }
  const needAt = (ageMs: number) => {
    const now = new Date(Date.parse(made) + ageMs)
    return needOf({ nodeId, openings }, { members: ids.slice(0, 6), lacking: [], now })
  }
  const endMs = lifetimeMs(nodeId, epoch)
  t.equal(needAt(endMs).kind, 'none')
  const why = `the shares are ${Math.floor(endMs / dayMs)} days old`
  t.match(needAt(endMs + 1), { kind: 'share', urgent: false, why })
})

t.test('nodes that shared in the same minute share anew within six days, not in one hour', async t => {
  const days = Array.from({ length: 1000 }, (_, at) => lifetimeMs(someNodeId(at), epoch) / dayMs)
  t.ok(Math.min(...days) >= 27 && Math.min(...days) < 27.1, `the first after ${Math.min(...days)} days`)
  t.ok(Math.max(...days) <= 33 && Math.max(...days) > 32.9, `the last after ${Math.max(...days)} days`)
  const ofHour = Map.groupBy(days, day => Math.floor(day * 24))
  const most = Math.max(...[...ofHour.values()].map(one => one.length))
  t.ok(most < 25, `${most} of 1000 in one hour`)
})

t.test(
  'a lifetime is that of node and epoch: the same after a restart, another for the next epoch',
  async t => {
    const [first, next, attempt] = [epoch, { ...epoch, number: 2 }, { ...epoch, id: 'cd'.repeat(16) }]
    // As a value: a later version that reckons otherwise has to say so here.
    t.equal(lifetimeMs(nodeId, first), 2_582_538_449)
    t.equal(new Set([first, next, attempt].map(one => lifetimeMs(nodeId, one))).size, 3)
  },
)
