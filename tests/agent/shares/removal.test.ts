import t from 'tap'
import { leftShort } from '../../../agent/shares/removal.ts'
import { composeEviction, type Departure, evicted } from '../../../protocol/cluster/departure.ts'
import { restore } from '../../../protocol/cluster/membership.ts'
import { formatTime } from '../../../protocol/fields.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  signedBy,
} from '../../protocol/cluster/sample.ts'

const minuteMs = 60_000
const now = new Date('2026-11-27T08:00:00Z')
const before = (minutes: number) => formatTime(new Date(now.getTime() - minutes * minuteMs))
const openings: NodeRecord['openings'] = { current: { kind: 'escrow', keyslot: 0, number: 1 } }

/** So many nodes that joined together: when their grants say, and when the judge heard it where it was up by then. */
type Group = { readonly count: number; readonly issued: number; readonly heard?: number }

const old = (count: number): Group => ({ count, issued: 3 * 24 * 60 })

/** A cluster of these groups, in order, as its last node judges it: nodes that it lets go are gone. */
function clusterOf(...groups: readonly Group[]) {
  const joins = groups.flatMap(({ count, ...when }) => Array.from({ length: count }, () => when))
  const nodes = joins.map(newNode)
  const ids = nodes.map(one => one.nodeId)
  const members = nodes.map((node, at) => {
    const issued = before(joins[at]?.issued ?? 0)
    const grant = { issued }
    const address = `10.0.0.${at + 1}`
    return at === 0
      ? genesisRecord({ node, grant })
      : joinRecord({ node, address, grant, voucher: { issued } })
  })
  const departures: Departure[] = []
  const goes = (at: number, minutes = 0) => {
    const node = ids[at] ?? ''
    const membership = restore({ members, departures }, { cluster, authority: authority.address })
    const heardMsAgo = (one: string) => {
      const heard = joins[ids.indexOf(one)]?.heard
      return heard === undefined ? undefined : heard * minuteMs
    }
    const record = { nodeId: ids.at(-1) ?? '', openings }
    if (leftShort({ node, membership, record, now, heardMsAgo }).length > 0) return false
    const text = composeEviction({ cluster, node, force: 'no', issued: before(minutes) })
    return departures.push(evicted(node, signedBy(authority, text))) > 0
  }
  /** How many of these go, one after the other, until one may not. */
  const goneOf = (wanted: readonly number[], minutes?: number) => {
    const stays = wanted.findIndex(at => !goes(at, minutes))
    return stays === -1 ? wanted.length : stays
  }
  return { goneOf }
}

const five = [0, 1, 2, 3, 4]

// Three of five open each of the six old ones: with two less they are all needed.
const replaced: readonly (readonly [string, Omit<Group, 'count'>, number])[] = [
  ['were heard of five minutes ago', { issued: 6, heard: 5 }, 2],
  ['were heard of five minutes ago, and dated their grants back', { issued: 24 * 60, heard: 5 }, 2],
  ['have a grant of five minutes, and the judge has started since', { issued: 5 }, 2],
  ['have a grant of 80 minutes, which they may have used at its end', { issued: 80 }, 2],
  ['have a grant of a time that is still to come', { issued: -600 }, 2],
  ['have a grant of 91 minutes', { issued: 91 }, 5],
  ['were heard of 31 minutes ago', { issued: 32, heard: 31 }, 5],
]
for (const [what, when, count] of replaced)
  t.test(`six nodes take the place of six; they ${what}: ${count} may go`, async t => {
    t.equal(clusterOf(old(6), { count: 6, ...when }).goneOf(five), count)
  })

t.test('nor may more go because those that went have done so long ago', async t => {
  const { goneOf } = clusterOf(old(6), { count: 6, issued: 6, heard: 5 })
  t.equal(goneOf(five, 60), 2)
})

t.test('who has just joined may go again', async t => {
  const { goneOf } = clusterOf(old(6), { count: 6, issued: 6, heard: 5 })
  t.equal(goneOf([6, 7, 8, 9, 10]), 5)
})

t.test('of many that have just joined so many that the five others of an old one still open it', async t => {
  const { goneOf } = clusterOf(old(6), { count: 13, issued: 6, heard: 5 })
  // With ten that went N is 15, and K five.
  t.equal(goneOf([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]), 10)
})

t.test('a cluster that is young as a whole: the first six have shared, and more came since', async t => {
  const { goneOf } = clusterOf({ count: 6, issued: 20 }, { count: 6, issued: 5 })
  t.equal(goneOf(five), 2)
})

t.test('the sixth came just now: before it nobody had given a share away', async t => {
  t.equal(clusterOf(old(5), { count: 1, issued: 5 }).goneOf(five), 2)
  t.equal(clusterOf(old(3), { count: 2, issued: 5 }).goneOf([0, 1, 2, 3]), 4)
  t.equal(clusterOf({ count: 5, issued: 5 }).goneOf([0, 1, 2, 3]), 4)
})
