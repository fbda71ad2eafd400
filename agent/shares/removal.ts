import { departedMs } from '../../protocol/cluster/departure.ts'
import { type Membership, present } from '../../protocol/cluster/membership.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { epochsOf } from '../../protocol/shares/opening.ts'
import { planShares, shamirFrom } from '../../protocol/shares/plan.ts'

export type Removal = {
  /** Who is to go. */
  readonly node: string
  readonly membership: Membership
  /** Of the node that judges: it knows its own epochs, and of the others only whom they should have chosen. */
  readonly record: Pick<NodeRecord, 'nodeId' | 'openings'>
  readonly now: Date
}

/** Nodes gather changes for ten minutes, and try again later and later where sharing anew fails. */
const settledMs = 30 * 60_000

/**
 * The nodes that would have fewer holders than open their disk were this one removed now, as far as one node can tell,
 * by node id. It does not know which of the others still have their shares with nodes that went a while ago: those that
 * went in the last half hour count as holders that are missing.
 */
export function leftShort({ node, membership, record, now }: Removal): readonly string[] {
  const members = present(membership).map(one => one.nodeId)
  const staying = new Set(members.filter(one => one !== node))
  const others = [...staying].filter(one => one !== record.nodeId)
  const recent = [...membership.departures.values()].filter(
    one => now.getTime() - departedMs(one) < settledMs,
  )
  const sights = [members, [...members, ...recent.map(one => one.node)]]
  // Where there were never six members nobody has given a share away.
  const planned = membership.members.size > shamirFrom ? others : []
  const short = planned.filter(one => sights.some(sight => isShort(planShares(one, sight), node, staying)))
  const own = epochsOf(record.openings).map(({ holders, threshold }) => ({
    guardians: holders.map(one => one.node),
    threshold,
  }))
  const isOwnShort = node !== record.nodeId && own.some(epoch => isShort(epoch, node, staying))
  return [...short, ...(isOwnShort ? [record.nodeId] : [])].toSorted()
}

type Held = { readonly guardians: readonly string[]; readonly threshold: number }

/** Does this removal take a holder that is needed? */
function isShort({ guardians, threshold }: Held, node: string, staying: ReadonlySet<string>): boolean {
  return guardians.includes(node) && guardians.filter(one => staying.has(one)).length < threshold
}
