import { type EpochId, isSameEpoch } from '../../protocol/shares/epoch.ts'
import type { ReleaseRefusal, ReleaseRequest } from '../../protocol/shares/guardian.ts'
import type { Holding, ListedMember, MemberList } from '../../protocol/shares/store.ts'

/** Why somebody is refused, and what may help. */
export type Refusal = Pick<ReleaseRefusal, 'reason' | 'retryS' | 'holds'>

/** So long after its start a guardian does not know who lives: who does says so every 15 s. */
const startMs = 20_000

type Called = { readonly cluster: string; readonly guardian: string; readonly node: string }

/** The member that a node says it is; or why it is none, or does not mean this guardian. Only the signature is left. */
export function judgeCaller(
  { cluster, guardian, node }: Called,
  from: string,
  list: MemberList,
): ListedMember | Refusal {
  if (cluster !== list.cluster) return { reason: 'not-a-member' }
  if (guardian !== list.nodeId) return { reason: 'not-signed' }
  // Not for itself: what opens its disk must not lie on it.
  const member = list.members.find(one => one.nodeId === node && node !== list.nodeId)
  if (member === undefined) return { reason: 'not-a-member' }
  return member.address === from ? member : { reason: 'not-signed' }
}

/** All that decides whether a node gets its share now. */
export type ReleaseCase = {
  readonly asked: Pick<ReleaseRequest, 'epoch' | 'release'>
  readonly signer: 'node' | 'original' | 'nobody'
  /** Is the nonce good? */
  readonly fresh: boolean
  /** By an operator. */
  readonly held: boolean
  readonly holding: Holding
  readonly leaseLeftMs: number
  /** Since the start of the guardian. */
  readonly upMs: number
}

/** Why the share is not given; undefined where it is. */
export function judgeRelease(of: ReleaseCase): Refusal | undefined {
  for (const check of checks) {
    const refusal = check(of)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

type Check = (of: ReleaseCase) => Refusal | undefined

/** In this order: what waiting does not help comes first. */
const checks: readonly Check[] = [
  ({ signer, fresh }) => (signer === 'nobody' || !fresh ? { reason: 'not-signed' } : undefined),
  ({ held }) => (held ? { reason: 'held' } : undefined),
  ({ asked: { release }, holding }) =>
    release.counter < holding.counter || release.floor > release.counter ? { reason: 'release' } : undefined,
  ({ asked, holding }) => (hasEpoch(holding, asked.epoch) ? undefined : noShare(holding)),
  ({ signer, leaseLeftMs }) =>
    signer !== 'original' && leaseLeftMs > 0 ? { reason: 'lease', retryS: seconds(leaseLeftMs) } : undefined,
  ({ signer, upMs }) =>
    signer !== 'original' && upMs < startMs
      ? { reason: 'starting', retryS: seconds(startMs - upMs) }
      : undefined,
]

/** That the guardian has none of this epoch, and of which it has. */
export function noShare({ epochs }: Holding): Refusal {
  return { reason: 'no-share', holds: epochs }
}

/** Whole ones, so that who waits for them does not come too early. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}

function hasEpoch({ epochs }: Holding, epoch: EpochId): boolean {
  return epochs.some(one => isSameEpoch(one, epoch))
}
