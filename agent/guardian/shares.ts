import { type EpochId, epochsHeldMax, isSameEpoch } from '../../protocol/shares/epoch.ts'
import type { Holding } from '../../protocol/shares/store.ts'

/** A share that this node holds for another: 97 bytes, outside V8's heap. */
export type HeldShare = { readonly epoch: EpochId; readonly share: Buffer }

export type NodeShares = {
  /** At most two, in the order of their epochs' numbers and ids. */
  readonly held: readonly HeldShare[]
  /** The lowest release that still gets them. */
  readonly counter: number
}

/** All that this node holds, by node id. Never changed in place: what is on the disk stays what it was. */
export type Shares = ReadonlyMap<string, NodeShares>

const nothing: NodeShares = { held: [], counter: 0 }

/** What is held of a node, without the shares themselves. */
export function holdingOf(shares: Shares, node: string): Holding {
  const { held, counter } = shares.get(node) ?? nothing
  return { epochs: held.map(one => one.epoch), counter }
}

/**
 * With a share of a node, beside those of the epochs to keep; the node's others are left out. Throws RangeError where
 * that would be more than two.
 */
export function withShare(
  shares: Shares,
  node: string,
  { epoch, share, keep }: HeldShare & { readonly keep: readonly EpochId[] },
): Shares {
  const { held, counter } = shares.get(node) ?? nothing
  const kept = held.filter(one => !isSameEpoch(one.epoch, epoch) && isIn(keep, one.epoch))
  if (kept.length >= epochsHeldMax)
    throw new RangeError(`Cannot keep share: more than ${epochsHeldMax} epochs of ${node}`)
  const old = held.find(one => isSameEpoch(one.epoch, epoch))
  if (old?.share.equals(share) === true && kept.length === held.length - 1) return shares
  return replaced(shares, node, { held: [...kept, { epoch, share }].toSorted(byEpoch), counter })
}

/** With a node's shares of these epochs alone. */
export function keepOnly(shares: Shares, node: string, keep: readonly EpochId[]): Shares {
  const { held, counter } = shares.get(node) ?? nothing
  const kept = held.filter(one => isIn(keep, one.epoch))
  return kept.length === held.length ? shares : replaced(shares, node, { held: kept, counter })
}

/** With a lowest release that is this, or higher. */
export function raiseCounter(shares: Shares, node: string, counter: number): Shares {
  const { held, counter: before } = shares.get(node) ?? nothing
  return counter <= before ? shares : replaced(shares, node, { held, counter })
}

/** The bytes of every share, to be compared or wiped. */
export function bytesOf(shares: Shares): Set<Buffer> {
  return new Set([...shares.values()].flatMap(({ held }) => held.map(one => one.share)))
}

/** The order of epochs in a node's list. */
export function byEpoch({ epoch: a }: HeldShare, { epoch: b }: HeldShare): number {
  return a.number - b.number || (a.id < b.id ? -1 : 1)
}

/** A node of which nothing is known any more has no row. */
function replaced(shares: Shares, node: string, of: NodeShares): Shares {
  const next = new Map(shares)
  if (of.held.length === 0 && of.counter === 0) next.delete(node)
  else next.set(node, of)
  return next
}

function isIn(epochs: readonly EpochId[], epoch: EpochId): boolean {
  return epochs.some(one => isSameEpoch(one, epoch))
}
