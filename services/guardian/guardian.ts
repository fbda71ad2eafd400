import type { ListedMember, MemberList } from '../../protocol/shares/store.ts'
import { judgeCaller, seconds } from './judge.ts'
import { type Leases, newLeases } from './leases.ts'
import { type Limit, newLimit } from './limits.ts'
import { memberCache } from './member-list.ts'
import { newNonces, type Nonces } from './nonces.ts'
import { Refused } from './refusals.ts'
import type { Session } from './sessions.ts'
import type { Store } from './store-client.ts'

/** What the guardian needs of the machine; tests bring their own. */
export type GuardianWorld = {
  readonly store: Store
  readonly session: Session
  /** A clock that never goes back, in milliseconds. */
  readonly nowMs: () => number
  readonly random: (bytes: number) => Uint8Array
  /** One line on standard output. */
  readonly log: (line: string) => void
}

/** The guardian from one start to its end; what it knows of nodes beyond the store is forgotten then. */
export type Guardian = GuardianWorld & {
  readonly startedMs: number
  /** Perhaps a second old. */
  readonly members: () => Promise<MemberList>
  readonly leases: Leases
  readonly nonces: Nonces
  readonly limits: Readonly<Record<'releases' | 'statements' | 'news', Limit>>
}

export function startGuardian(world: GuardianWorld): Guardian {
  const { nowMs, store } = world
  return {
    ...world,
    startedMs: nowMs(),
    members: memberCache(store.members, nowMs),
    leases: newLeases(nowMs),
    nonces: newNonces(world),
    // A node that waits asks twelve times a minute, for two epochs perhaps.
    limits: { releases: newLimit(30, nowMs), statements: newLimit(60, nowMs), news: newLimit(60, nowMs) },
  }
}

type Called = Parameters<typeof judgeCaller>[0]

/** The member that calls from this address, whose turn is taken. Throws Refused. */
export async function admit(
  guardian: Guardian,
  { called, from, limit }: { readonly called: Called; readonly from: string; readonly limit: Limit },
): Promise<ListedMember> {
  const judged = judgeCaller(called, from, await guardian.members())
  if ('reason' in judged) throw new Refused(judged)
  // Before the signature is checked, which costs more; the address keeps others from using this node's turns up.
  const waitMs = limit(judged.nodeId)
  if (waitMs > 0) throw new Refused({ reason: 'too-many', retryS: seconds(waitMs) })
  return judged
}
