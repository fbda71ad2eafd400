import { someNodeId } from '../../../protocol/cluster/sample.ts'
import type { SharePlan } from '../../../../protocol/shares/plan.ts'
import type { Store } from '../fake-guardian.ts'
import { type Disk, newDisk } from '../fake-world.ts'
import type { Random } from './random.ts'

export const minuteMs = 60_000
/** Changes of members are gathered for so long before a node acts on them, and up to half as long again. */
const gatherMs = 10 * minuteMs

/** A node as it is, not as others believe. Dead: its disk is gone, and it is a member until it is evicted. */
export type SimNode = {
  readonly id: string
  readonly disk: Disk
  state: 'open' | 'locked' | 'dead'
  /** What its guardian keeps for others. */
  readonly store: Store
  /** A copy of its store, as an old disk image would have it. */
  backup: Store | undefined
  /** Of its guardian: each start of that is another. */
  session: number
  /** By owner, the number of the last statement that its guardian has accepted. */
  readonly heardFrom: Map<string, number>
  /** Of its last statement to guardians. */
  statement: number
  /** With which change of members it came. */
  readonly joined: number
  /** How many changes of members it has heard of. */
  heard: number
  planned: { readonly heard: number; readonly plan: SharePlan } | undefined
  /** In a partition it reaches those on its side. */
  side: number
  /** How far its clock is from the time of the simulation. */
  clockMs: number
  /** After a crash guardians give no share before. */
  leaseEndsMs: number
  /** When it acts next; Infinity: something has to happen first. */
  dueMs: number
  /** Guardians that told it of shares that it may not name. */
  readonly told: Set<string>
  /** Its guardian says that it has stored what it gets, and stores something else. */
  rots: boolean
  /** A holder of its shares had none when it looked last. */
  lacks: boolean
}

/** What was sent and comes later than the sender waits. */
export type Late = { readonly atMs: number; readonly deliver: () => Promise<void>; readonly owner: string }

export type Cluster = {
  readonly seed: number
  readonly random: Random
  /** About how many members there are to be. */
  readonly target: number
  nowMs: number
  /** The members, dead ones among them. */
  readonly nodes: Map<string, SimNode>
  /** Who the members were after each change. */
  readonly history: (readonly string[])[]
  /** With which change a node went. */
  readonly departed: Map<string, number>
  late: readonly Late[]
  /** The probability that a message is lost, either way. */
  loss: number
  /** The node that acts: what would end its process waits. */
  busy: SimNode | undefined
  /** What broke while the node acted. */
  failure: Error | undefined
  /** Since it began to act something may have taken shares away from those who had acknowledged them. */
  isUnsure: boolean
  /** Nodes whose way to their disk this step may have changed. */
  readonly touched: Set<string>
  /** How often what happened. */
  readonly counts: Map<string, number>
  made: number
}

export function newCluster({ seed, random, target }: Pick<Cluster, 'seed' | 'random' | 'target'>): Cluster {
  return {
    seed,
    random,
    target,
    nowMs: Date.parse('2026-11-27T08:00:00Z'),
    nodes: new Map(),
    history: [[]],
    departed: new Map(),
    late: [],
    loss: 0,
    busy: undefined,
    failure: undefined,
    isUnsure: false,
    touched: new Set(),
    counts: new Map(),
    made: 0,
  }
}

/** A new member, its secret with its owner. It and who invited it know of it. */
export function join(cluster: Cluster): SimNode {
  const id = someNodeId(cluster.seed * 100_000 + cluster.made++)
  const inviter = some(cluster, isRunning)
  const version = cluster.history.length
  cluster.history.push([...membersAt(cluster, version - 1), id])
  const node: SimNode = {
    id,
    disk: newDisk(id),
    state: 'open',
    store: new Map(),
    backup: undefined,
    session: 0,
    heardFrom: new Map(),
    statement: 0,
    joined: version,
    heard: version,
    planned: undefined,
    side: inviter?.side ?? 0,
    clockMs: 0,
    leaseEndsMs: 0,
    dueMs: cluster.nowMs + cluster.random.int(minuteMs),
    told: new Set(),
    rots: false,
    lacks: false,
  }
  cluster.nodes.set(id, node)
  if (inviter !== undefined) hear(cluster, inviter, version)
  return node
}

/** A member goes for ever, and somebody hears of it. */
export function depart(cluster: Cluster, { id, store }: SimNode): void {
  const version = cluster.history.length
  cluster.history.push(membersAt(cluster, version - 1).filter(member => member !== id))
  cluster.departed.set(id, version)
  cluster.nodes.delete(id)
  touch(cluster, store)
  const witness = some(cluster, isRunning)
  if (witness !== undefined) hear(cluster, witness, version)
}

/** A node hears of changes of members: it forgets those that went, and acts when no more have come for a while. */
export function hear(cluster: Cluster, node: SimNode, version: number): void {
  if (node.heard >= version) return
  node.heard = version
  for (const owner of node.store.keys())
    if ((cluster.departed.get(owner) ?? Infinity) <= version) node.store.delete(owner)
  wake(cluster, node, gatherMs + cluster.random.int(gatherMs / 2))
}

/** Nodes that reach each other tell each other of members. */
export function gossip(cluster: Cluster): void {
  const nodes = [...cluster.nodes.values()].filter(isRunning)
  for (let pair = 0; pair < nodes.length / 4; pair++) {
    const [one, other] = [cluster.random.pick(nodes), cluster.random.pick(nodes)]
    if (one.side !== other.side) continue
    hear(cluster, one, other.heard)
    hear(cluster, other, one.heard)
  }
}

/** Has a node act after so long, or earlier where it was to. */
export function wake({ nowMs }: Cluster, node: SimNode, afterMs: number): void {
  node.dueMs = Math.min(node.dueMs, nowMs + afterMs)
}

/** Those of whom a guardian had something: their way to the disk may have changed. */
export function touch(cluster: Cluster, store: Store): void {
  for (const owner of store.keys()) cluster.touched.add(owner)
}

export function membersAt({ history }: Cluster, version: number): readonly string[] {
  return history[version] ?? []
}

/** One of the nodes that are so, but not the one that acts. */
export function some(cluster: Cluster, isSo: (node: SimNode) => boolean): SimNode | undefined {
  const found = [...cluster.nodes.values()].filter(node => node !== cluster.busy && isSo(node))
  return found.length === 0 ? undefined : cluster.random.pick(found)
}

export function isRunning({ state }: SimNode): boolean {
  return state !== 'dead'
}

export function count({ counts }: Cluster, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}
