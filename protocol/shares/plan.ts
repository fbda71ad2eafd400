import { createHash } from 'node:crypto'

/** Who holds the shares of a node's disk secret, how many open it, and how many have to have theirs before it counts. */
export type SharePlan = {
  readonly guardians: readonly string[]
  /** K: so many good shares make the secret. */
  readonly threshold: number
  /** W: so many guardians have acknowledged their share before an epoch may count. */
  readonly quorum: number
}

export const guardiansMax = 64
const thresholdMin = 3
/** From so many guardians on a node gives its secret to them, and down to so many it stays with them. */
export const shamirFrom = 5
export const shamirDownTo = 4

/**
 * The plan for a node among all members, itself among them or not. Guardians are chosen by rendezvous hashing
 * (Thaler, Ravishankar 1998), so that a change of members moves as few shares as can be.
 */
export function planShares(node: string, members: readonly string[]): SharePlan {
  const others = members.filter(member => member !== node)
  const scored = others.map(guardian => ({ guardian, score: scoreOf(node, guardian) }))
  const best = scored.toSorted((a, b) => Buffer.compare(b.score, a.score)).slice(0, guardiansMax)
  const guardians = best.map(one => one.guardian).toSorted()
  return { guardians, ...thresholds(guardians.length) }
}

/** K and W of N guardians: K = max(3, ceil(N/3)); W = min(N, max(K+1, ceil(2N/3))), but 3 of the 4 that are left. */
export function thresholds(count: number): { readonly threshold: number; readonly quorum: number } {
  const threshold = Math.max(thresholdMin, Math.ceil(count / 3))
  if (count === shamirDownTo) return { threshold, quorum: threshold }
  return { threshold, quorum: Math.min(count, Math.max(threshold + 1, Math.ceil((2 * count) / 3))) }
}

/** What a node of this mode has to do where so many guardians are there. */
export type NextMode = 'escrow' | 'shamir' | 'degraded' | 'ask-owner'

export function nextMode(mode: 'escrow' | 'shamir', guardians: number): NextMode {
  if (guardians >= shamirFrom) return 'shamir'
  if (mode === 'escrow') return 'escrow'
  return guardians >= shamirDownTo ? 'degraded' : 'ask-owner'
}

function scoreOf(node: string, guardian: string): Buffer {
  return createHash('sha256').update(`orama-guardian-v1|${node}|${guardian}`).digest()
}
