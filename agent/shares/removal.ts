import { departedMs } from '../../protocol/cluster/departure.ts'
import type { Member } from '../../protocol/cluster/member.ts'
import { type Membership, present } from '../../protocol/cluster/membership.ts'
import { grantMinutesMax } from '../../protocol/grant.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { epochsOf } from '../../protocol/shares/opening.ts'
import { planShares, shamirFrom } from '../../protocol/shares/plan.ts'

export type Removal = {
  /** Who is to go. */
  readonly node: string
  readonly membership: Membership
  /** How many milliseconds ago a member was heard of; undefined where that was before the node that judges started. */
  readonly heardMsAgo: (node: string) => number | undefined
  /** Of the node that judges: it knows its own epochs, and of the others only whom they should have chosen. */
  readonly record: Pick<NodeRecord, 'nodeId' | 'openings'>
  readonly now: Date
}

/** Nodes gather changes for ten minutes, and try again later and later where sharing anew fails. */
const settledMs = 30 * 60_000

/**
 * The nodes that would have fewer holders than open their disk were this one removed now, as far as one node can tell,
 * by node id. It does not know which of the others have shared anew since the last changes: those that went in the last
 * half hour count as holders that are missing, and those that have just joined as no holders.
 */
export function leftShort(removal: Removal): readonly string[] {
  const { node, membership, record } = removal
  const staying = new Set(idsOf(present(membership)).filter(one => one !== node))
  const others = [...staying].filter(one => one !== record.nodeId)
  // Where there were never six members nobody has given a share away.
  const planned = membership.members.size > shamirFrom ? others : []
  const sights = sightsOf(removal)
  const short = planned.filter(one => sights.some(sight => isShort(planShares(one, sight), node, staying)))
  const own = epochsOf(record.openings).map(({ holders, threshold }) => ({
    guardians: holders.map(one => one.node),
    threshold,
  }))
  const isOwnShort = node !== record.nodeId && own.some(epoch => isShort(epoch, node, staying))
  return [...short, ...(isOwnShort ? [record.nodeId] : [])].toSorted()
}

/**
 * The members over which the others may have planned when they last shared: with those that went and without them, with
 * those that have joined and without them. Of what lies in between nothing leaves a node with less: a holder more that
 * stays raises K by one at most, and a holder more that is gone can only be missing.
 */
function sightsOf(removal: Removal): readonly (readonly string[])[] {
  const { node, membership, now } = removal
  const members = present(membership)
  const gone = [...membership.departures.values()]
    .filter(one => now.getTime() - departedMs(one) < settledMs)
    .flatMap(one => membership.members.get(one.node) ?? [])
  const fresh = [...members, ...gone].filter(one => isFresh(one, removal)).toSorted(byIssued)
  const settled = members.filter(one => one.nodeId === node || !fresh.includes(one))
  // Nobody shared before the sixth came: the first of those that have just joined are holders then.
  const isFirst = membership.members.size - fresh.length <= shamirFrom
  const filled = (few: readonly Member[]) => {
    const more = fresh.filter(one => members.includes(one) && !few.includes(one))
    return isFirst ? [...few, ...more.slice(0, Math.max(0, shamirFrom + 1 - few.length))] : few
  }
  const sights = [members, [...members, ...gone], filled(settled), filled([...settled, ...gone])]
  // Mostly nobody has come or gone, and planning for hundreds of nodes takes time.
  const byIds = new Map(sights.map(idsOf).map(ids => [ids.toSorted().join(), ids]))
  return [...byIds.values()]
}

/** What is not known is taken for the latest that it may be: a node takes a grant until an hour after it is issued. */
function isFresh({ nodeId, grant }: Member, { heardMsAgo, now }: Removal): boolean {
  const joinedMs = Date.parse(grant.issued) + grantMinutesMax * 60_000
  return (heardMsAgo(nodeId) ?? now.getTime() - joinedMs) < settledMs
}

/** Their owners date grants; it decides only who of those that have just joined was there first. */
function byIssued({ grant: one }: Member, { grant: other }: Member): number {
  return Date.parse(one.issued) - Date.parse(other.issued)
}

function idsOf(members: readonly Member[]): readonly string[] {
  return members.map(one => one.nodeId)
}

type Held = { readonly guardians: readonly string[]; readonly threshold: number }

/** Does this removal take a holder that is needed? */
function isShort({ guardians, threshold }: Held, node: string, staying: ReadonlySet<string>): boolean {
  return guardians.includes(node) && guardians.filter(one => staying.has(one)).length < threshold
}
