import { type Epoch, type Holder, isSameEpoch, isShareOf } from '../../../../protocol/shares/epoch.ts'
import { type Opening, openingsInTurn } from '../../../../protocol/shares/opening.ts'
import { combineShares } from '../../../../protocol/shares/split.ts'
import type { Store, Stored } from '../fake-guardian.ts'
import { type Cluster, isRunning, type SimNode } from './cluster.ts'

/**
 * What has to be true at every moment: were the power cut now, a way that the node's record names opens its disk.
 * An escrow opens it, or so many members' guardians as are needed hold exactly the share that the record knows.
 * And while a node is open its present way does, whatever the next is good for: only a locked one may depend on that.
 * Throws, naming the node, where it is not so.
 */
export function checkNode(cluster: Cluster, node: SimNode): void {
  const { openings } = node.disk.record
  const ways = openingsInTurn(openings)
  const safe = node.state === 'open' ? [openings.current] : ways
  if (safe.some(way => opens(cluster, node, way))) return
  const found = ways.map(way => describeWay(cluster, node, way))
  throw new Error(`Cannot go on: ${node.id} (${node.state}) is lost: ${found.join('; ')}`)
}

/** The same for those that a step may have touched; others are as they were. */
export function checkTouched(cluster: Cluster): void {
  for (const id of cluster.touched) {
    const node = cluster.nodes.get(id)
    if (node !== undefined && isRunning(node)) checkNode(cluster, node)
  }
}

/** Takes shares at their word: as many as are needed, combined, open the keyslot that is named with them. */
export async function combineAll(cluster: Cluster, { id, disk }: SimNode): Promise<void> {
  for (const way of openingsInTurn(disk.record.openings)) {
    if (way.kind === 'escrow') continue
    const { epoch, keyslot } = way
    const shares = epoch.holders.flatMap(
      holder => heldFor(cluster, { owner: id, epoch, holder })?.share ?? [],
    )
    if (shares.length < epoch.threshold) continue
    const from = cluster.random.int(shares.length - epoch.threshold + 1)
    const secret = await combineShares(shares.slice(from, from + epoch.threshold))
    if (!disk.keyslots.get(keyslot)?.equals(secret))
      throw new Error(`Cannot go on: the shares of ${id} do not open keyslot ${keyslot}`)
  }
}

/**
 * The operator's part: whether the cluster bears that this guardian has what is in `after`, and nothing else. Each
 * epoch that a record names, and that has enough holders, has to keep enough; of a node that is locked one of them.
 */
export function bears(cluster: Cluster, guardian: SimNode, after: Store): boolean {
  return blockers(cluster, guardian, after).length === 0
}

/** The nodes for which it does not. */
export function blockers(cluster: Cluster, guardian: SimNode, after: Store): readonly SimNode[] {
  return [...guardian.store.keys()].flatMap(owner => {
    const node = cluster.nodes.get(owner)
    if (node === undefined || !isRunning(node)) return []
    const ways = openingsInTurn(node.disk.record.openings).filter(way => opens(cluster, node, way))
    const left = ways.filter(way => !isLast(cluster, { owner, way, guardian, after }))
    const mayChoose = node.state === 'locked' && node !== cluster.busy
    return mayChoose ? (left.length > 0 ? [] : [node]) : left.length === ways.length ? [] : [node]
  })
}

type Loss = {
  readonly owner: string
  readonly way: Opening
  readonly guardian: SimNode
  readonly after: Store
}

/** Whether a way that opens the disk would not when this guardian has lost its share. */
function isLast(cluster: Cluster, { owner, way, guardian, after }: Loss): boolean {
  if (way.kind === 'escrow') return false
  const { epoch } = way
  const holder = epoch.holders.find(one => one.node === guardian.id)
  const held = holder && heldFor(cluster, { owner, epoch, holder })
  if (held === undefined || after.get(owner)?.includes(held)) return false
  return !hasHeld(cluster, owner, { epoch, count: epoch.threshold + 1 })
}

const known = new WeakMap<Stored, string>()

/** The share that a holder has of an epoch, where it is exactly the one that the record knows. */
export function heldFor(
  { nodes }: Cluster,
  { owner, epoch, holder }: { readonly owner: string; readonly epoch: Epoch; readonly holder: Holder },
): Stored | undefined {
  const guardian = nodes.get(holder.node)
  if (guardian === undefined || !isRunning(guardian)) return undefined
  const stored = guardian.store.get(owner)?.find(one => isSameEpoch(one.epoch, epoch))
  if (stored === undefined || known.get(stored) === holder.hash) return stored
  if (!isShareOf(holder, stored.share, { node: owner, epoch })) return undefined
  known.set(stored, holder.hash)
  return stored
}

function opens(cluster: Cluster, { id, disk }: SimNode, way: Opening): boolean {
  const keyslot = disk.keyslots.get(way.keyslot)
  if (keyslot === undefined) return false
  if (way.kind === 'escrow') return disk.escrow?.equals(keyslot) ?? false
  return hasHeld(cluster, id, { epoch: way.epoch, count: way.epoch.threshold })
}

/** Whether at least so many hold their share: looks no further than it has to. */
export function hasHeld(
  cluster: Cluster,
  owner: string,
  { epoch, count }: { epoch: Epoch; count: number },
): boolean {
  let held = 0
  for (const holder of epoch.holders)
    if (heldFor(cluster, { owner, epoch, holder }) !== undefined && ++held === count) return true
  return false
}

function describeWay(cluster: Cluster, { id, disk }: SimNode, way: Opening): string {
  const slot = `keyslot ${way.keyslot} ${disk.keyslots.has(way.keyslot) ? 'is there' : 'is gone'}`
  if (way.kind === 'escrow') return `escrow ${disk.escrow === undefined ? 'is gone' : 'is there'}, ${slot}`
  const { epoch } = way
  const held = epoch.holders.filter(
    holder => heldFor(cluster, { owner: id, epoch, holder }) !== undefined,
  ).length
  return `epoch ${epoch.number}: ${held} of ${epoch.holders.length} hold, need ${epoch.threshold}, ${slot}`
}
