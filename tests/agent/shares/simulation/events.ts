import type { Store } from '../fake-guardian.ts'
import {
  type Cluster,
  count,
  depart,
  isRunning,
  join,
  minuteMs,
  type SimNode,
  some,
  touch,
  wake,
} from './cluster.ts'
import { bears, blockers } from './invariant.ts'
import { crash } from './tend.ts'

const dayMs = 24 * 60 * minuteMs
const nothing: Store = new Map()

/** What happens to a cluster; `weight` against each other. True when it did: some wait for what they need. */
type Event = { readonly weight: number; readonly run: (cluster: Cluster) => boolean }

export const events: Readonly<Record<string, Event>> = {
  join: { weight: 4, run: cluster => isCalm(cluster) && grow(cluster) },
  leave: { weight: 2, run: cluster => isCalm(cluster) && leave(cluster) },
  evict: { weight: 2, run: evict },
  die: { weight: 1, run: cluster => isCalm(cluster) && die(cluster) },
  partition: { weight: 1, run: partition },
  heal: { weight: 3, run: heal },
  clock: { weight: 3, run: cluster => toSome(cluster, isRunning, jump) },
  restart: { weight: 5, run: cluster => toSome(cluster, isOpen, restart) },
  crash: { weight: 5, run: cluster => toSome(cluster, isOpen, crash) },
  'lost store': { weight: 2, run: loseStore },
  backup: { weight: 4, run: cluster => toSome(cluster, isRunning, backUp) },
  'old store': { weight: 3, run: restore },
  rot: { weight: 1, run: cluster => rot(cluster, cluster.random.pick([0.2, 0.8])) },
  mend: { weight: 2, run: cluster => rot(cluster, 0) },
  month: { weight: 1, run: month },
}

const drawn = Object.entries(events).flatMap(([name, { weight }]) => Array<string>(weight).fill(name))

/** One event, drawn by weight; where it cannot be, nothing happens. */
export function disturb(cluster: Cluster): string {
  const name = cluster.random.pick(drawn)
  if (events[name]?.run(cluster) === true) count(cluster, name)
  return name
}

/** Members go and come within a few minutes: so many of them. Those that cannot go yet, stay. */
export function wave(cluster: Cluster, size: number): void {
  for (let one = 0; one < size; one++) {
    cluster.nowMs += cluster.random.int(2000)
    const name = cluster.random.pick(['leave', 'leave', 'evict', 'die'])
    const act = { leave, evict, die }[name]
    if (act?.(cluster) === true) count(cluster, name)
    join(cluster)
    count(cluster, 'join')
  }
}

/** Each change of members has up to 128 nodes share anew; in a large cluster most come in waves. */
function isCalm({ random, nodes }: Cluster): boolean {
  return random.chance(Math.min(1, 30 / nodes.size))
}

function grow(cluster: Cluster): boolean {
  const hasRoom = cluster.nodes.size < 1.25 * cluster.target
  if (hasRoom) join(cluster)
  return hasRoom
}

/** In order: no node may need it, and those that do look after their other holders. */
function leave(cluster: Cluster): boolean {
  const node = some(cluster, isOpen)
  return node !== undefined && cluster.nodes.size > 1 && goes(cluster, node)
}

/** An operator's eviction: of the dead first. Refused where a node would have too few holders. */
function evict(cluster: Cluster): boolean {
  const dead = some(cluster, node => node.state === 'dead')
  const node = dead ?? (isCalm(cluster) ? some(cluster, isRunning) : undefined)
  return node !== undefined && cluster.nodes.size > 1 && goes(cluster, node)
}

function goes(cluster: Cluster, node: SimNode): boolean {
  const needy = blockers(cluster, node, nothing).filter(one => one !== node)
  for (const one of needy) wake(cluster, one, cluster.random.int(minuteMs))
  if (needy.length > 0) count(cluster, 'refused to go')
  else depart(cluster, node)
  return needy.length === 0
}

/** For ever, with its disk. What the cluster does not bear does not happen: that is the operator's part. */
function die(cluster: Cluster): boolean {
  const dead = [...cluster.nodes.values()].filter(node => node.state === 'dead').length
  const node = some(cluster, isRunning)
  if (node === undefined || dead > cluster.nodes.size / 10 || !bears(cluster, node, nothing)) return false
  touch(cluster, node.store)
  node.state = 'dead'
  node.dueMs = Infinity
  return true
}

function partition(cluster: Cluster): boolean {
  const part = cluster.random.pick([0.1, 0.3, 0.5])
  for (const node of cluster.nodes.values()) node.side = cluster.random.chance(part) ? 1 : 0
  return true
}

/** Guardians that are reached again tell what they hold. */
export function heal(cluster: Cluster): boolean {
  for (const node of cluster.nodes.values()) {
    node.side = 0
    if (node.lacks && isRunning(node)) wake(cluster, node, cluster.random.int(10 * minuteMs))
  }
  return true
}

function jump(cluster: Cluster, node: SimNode): void {
  const jumps = [-3650 * dayMs, -dayMs, -5 * minuteMs, 0, 5 * minuteMs, dayMs, 34 * dayMs, 3650 * dayMs]
  node.clockMs = cluster.random.pick(jumps)
  wake(cluster, node, 0)
}

/** In order, with a goodbye. */
function restart(cluster: Cluster, node: SimNode): void {
  node.state = 'locked'
  node.leaseEndsMs = 0
  wake(cluster, node, cluster.random.int(minuteMs))
}

function loseStore(cluster: Cluster): boolean {
  const node = some(cluster, isRunning)
  if (node === undefined || !bears(cluster, node, nothing)) return false
  replaceStore(cluster, node, nothing)
  return true
}

function backUp(_: Cluster, node: SimNode): void {
  node.backup = new Map(node.store)
}

/** Epochs that were erased rise from the dead, and newer ones are lost. */
function restore(cluster: Cluster): boolean {
  const node = some(cluster, one => isRunning(one) && one.backup !== undefined)
  if (node?.backup === undefined || !bears(cluster, node, node.backup)) return false
  replaceStore(cluster, node, node.backup)
  return true
}

/** A guardian starts with another store, and tells each owner what it holds. */
function replaceStore(cluster: Cluster, node: SimNode, store: Store): void {
  touch(cluster, node.store)
  const owners = new Set([...node.store.keys(), ...store.keys()])
  node.store.clear()
  for (const [owner, held] of store) {
    const isKnown = (cluster.departed.get(owner) ?? Infinity) > node.heard
    if (isKnown) node.store.set(owner, held)
  }
  node.session++
  node.heardFrom.clear()
  for (const owner of owners) {
    const one = cluster.nodes.get(owner)
    if (one === undefined || !isRunning(one)) continue
    one.told.add(node.id)
    wake(cluster, one, cluster.random.int(5 * minuteMs))
  }
}

/** Nothing else happens for more than a month: every epoch is old. Rare in a large cluster, where all share anew then. */
function month(cluster: Cluster): boolean {
  if (!cluster.random.chance(Math.min(1, 4 / cluster.nodes.size))) return false
  cluster.nowMs += 34 * dayMs
  for (const node of cluster.nodes.values())
    if (isRunning(node)) wake(cluster, node, cluster.random.int(60 * minuteMs))
  return true
}

/** So many guardians store rubbish from now on. What they have stays as it is. */
export function rot(cluster: Cluster, part: number): boolean {
  for (const node of cluster.nodes.values()) node.rots = cluster.random.chance(part)
  return true
}

function isOpen({ state }: SimNode): boolean {
  return state === 'open'
}

function toSome(
  cluster: Cluster,
  isSo: (node: SimNode) => boolean,
  act: (cluster: Cluster, node: SimNode) => void,
): boolean {
  const node = some(cluster, isSo)
  if (node !== undefined) act(cluster, node)
  return node !== undefined
}
