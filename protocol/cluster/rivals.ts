import { fromBase64url } from '../fields.ts'
import { nodeIdOf } from '../hello.ts'
import { parseHold } from './hold.ts'
import { inviteOf, type Member, type MemberRecord } from './member.ts'
import type { Membership, MembershipRecords } from './membership.ts'

// Whoever was handed an invite can make two nodes by it, and tell one half of a cluster of each. No half takes the node
// of the other; once operators have evicted both, nobody needs to.

type Known = Pick<Membership, 'members' | 'departures'>
type Newcomer = Pick<Member, 'address' | 'grant' | 'hello'>

/** Throws RangeError where a newcomer comes with what is a member's: see `checkUnused` and `checkPlace`. */
export function checkFree(known: Known, newcomer: Newcomer): void {
  checkUnused(known, newcomer)
  checkPlace(known, newcomer)
}

/** Throws RangeError for an invite by which another node joined, also when that has left: it makes one node. */
export function checkUnused({ members }: Pick<Known, 'members'>, { grant }: Pick<Newcomer, 'grant'>): void {
  for (const { nodeId, grant: other } of members.values())
    if (other.kind === 'join' && other.tokenHash === grant.tokenHash)
      throw new RangeError(`Cannot accept member: its invite was used by ${nodeId}`)
}

/** Throws RangeError for the address or WireGuard key of a present member: both are free again when it has left. */
export function checkPlace(
  { members, departures }: Known,
  newcomer: Pick<Newcomer, 'address' | 'hello'>,
): void {
  for (const { nodeId, address, hello } of members.values()) {
    if (departures.has(nodeId)) continue
    if (address === newcomer.address) throw new RangeError(`Cannot accept member: ${nodeId} has its address`)
    if (hello.wireguard === newcomer.hello.wireguard)
      throw new RangeError(`Cannot accept member: ${nodeId} has its WireGuard key`)
  }
}

/**
 * The node ids of those that came by the invite of a known member, and are gone as these records say. They are passed
 * over without a proof and without a refusal: none of them can become a member here any more, so that nobody has to know
 * that they are gone, and each would take a place for ever.
 */
export function passedOver({ members }: Pick<Known, 'members'>, of: MembershipRecords): ReadonlySet<string> {
  const gone = new Set(of.departures.map(one => one.node).filter(node => !members.has(node)))
  if (gone.size === 0) return gone
  const used = new Set([...members.values()].flatMap(({ record }) => inviteOf(record) ?? []))
  const rivals = of.members.filter(record => used.has(inviteOf(record) ?? '')).map(nodeOf)
  return new Set(rivals.filter(node => gone.has(node)))
}

/** The records without those of these nodes. */
export function without(nodes: ReadonlySet<string>, of: MembershipRecords): MembershipRecords {
  if (nodes.size === 0) return of
  const { members, departures, holds } = of
  return {
    ...of,
    members: members.filter(one => !nodes.has(nodeOf(one))),
    departures: departures.filter(one => !nodes.has(one.node)),
    ...(holds === undefined ? {} : { holds: holds.filter(({ text }) => !nodes.has(heldBy(text) ?? '')) }),
  }
}

export function nodeOf({ hello }: MemberRecord): string {
  return nodeIdOf(fromBase64url(hello.identity))
}

/** Undefined for the text of no hold, which is refused when its turn comes. */
function heldBy(text: string): string | undefined {
  try {
    return parseHold(text).node
  } catch {
    return undefined
  }
}
