import type { Test } from 'tap'
import type { Disk } from '../../../qemu/disk.ts'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { type HeldShares, wholeHeaderOn } from '../support/held-shares.ts'
import type { Header } from '../support/header.ts'
import type { HeaderRecording } from '../support/header-writes.ts'

/** The six machines under test, and what one act leaves for a later one. */
export type Six = {
  readonly cluster: Cluster
  readonly image: string
  readonly nodes: readonly [ClusterNode, ClusterNode, ClusterNode, ClusterNode, ClusterNode, ClusterNode]
  /** All that guardians held when their disks were looked at. */
  readonly shares: HeldShares
  readonly left: {
    /** Of an invite that was made when all were well. */
    inviteHash?: string
    /** The disk of the sixth, as it was when all had lost power. */
    copyOfSixth?: Disk
    /** What the fifth writes from its start after that on, and its header before. */
    writesOfFifth?: HeaderRecording & { readonly before: Header }
  }
}

export type Act = (t: Test, six: Six) => Promise<void>

/** Throws RangeError where there are not six. */
export function sixOf(cluster: Cluster, of: Pick<Six, 'image' | 'shares'>): Six {
  const [a, b, c, d, e, f, ...more] = cluster.nodes
  if (!a || !b || !c || !d || !e || !f || more.length > 0)
    throw new RangeError(`Cannot test six nodes: there are ${cluster.nodes.length}`)
  return { ...of, cluster, nodes: [a, b, c, d, e, f], left: {} }
}

/** Looks at the disks of these nodes for shares that they hold. */
export async function lookForShares({ cluster, shares }: Six, nodes: readonly ClusterNode[]): Promise<void> {
  for (const { place } of nodes) shares.add(await wholeHeaderOn(place.disk, cluster.folder))
}

/** What an act left behind. Throws where the act has not been there. */
export function left<Key extends keyof Six['left']>(six: Six, key: Key): NonNullable<Six['left'][Key]> {
  const found = six.left[key]
  if (found === undefined) throw new Error(`Cannot go on: '${key}' is not there`)
  return found
}
