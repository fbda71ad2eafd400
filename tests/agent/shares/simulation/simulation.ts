import { isSameEpoch } from '../../../../protocol/shares/epoch.ts'
import { epochsOf } from '../../../../protocol/shares/opening.ts'
import { type Cluster, depart, gossip, hear, isRunning, join, newCluster, type SimNode } from './cluster.ts'
import { disturb, heal, rot, wave } from './events.ts'
import { checkNode, checkTouched, combineAll } from './invariant.ts'
import { seededRandom } from './random.ts'
import { crash, type Interruption, planOf, tend } from './tend.ts'
import { deliverLate } from './wire.ts'

export type Scenario = {
  readonly seed: number
  readonly steps: number
  /** How many nodes there are at the start. */
  readonly nodes: number
  /** So often a part of the members goes, and as many come, within a few minutes. */
  readonly waves: { readonly count: number; readonly part: number }
  /** The probability that a message is lost. */
  readonly loss: number
}

/** How often what happened, and milliseconds of the parts. */
export type Report = {
  readonly counts: Readonly<Record<string, number>>
  readonly startMs: number
  readonly ms: number
}

const checkAllEvery = 200

/**
 * Runs a cluster for so many steps: each is one node that acts, or one event. The invariant is checked for all that a
 * step could have touched, for all nodes every 200 steps; at the end, when everything is healed, every node and
 * guardian has to be as it should be. Throws naming seed and step where it is not: with both the run can be repeated.
 */
export async function simulate({ seed, steps, nodes, waves, loss }: Scenario): Promise<Report> {
  const cluster = newCluster({ seed, random: seededRandom(seed), target: nodes })
  const startedMs = performance.now()
  await assemble(cluster, nodes)
  const startMs = performance.now() - startedMs
  cluster.loss = loss
  const every = Math.ceil((steps + 1) / (waves.count + 1))
  for (let number = 1; number <= steps; number++) {
    try {
      cluster.touched.clear()
      if (number % every === 0) wave(cluster, Math.ceil(nodes * waves.part))
      else await step(cluster)
      await check(cluster, number)
    } catch (cause) {
      throw new Error(`Cannot end simulation of ${nodes} nodes, seed ${seed}: step ${number} broke it`, {
        cause,
      })
    }
  }
  await settleAll(cluster)
  return { counts: Object.fromEntries(cluster.counts), startMs, ms: performance.now() - startedMs }
}

/** All members know each other, and have shared their secrets where they are enough. */
async function assemble(cluster: Cluster, nodes: number): Promise<void> {
  for (let one = 0; one < nodes; one++) join(cluster)
  for (const node of cluster.nodes.values()) hear(cluster, node, nodes)
  for (const node of cluster.nodes.values()) await tend(cluster, node)
}

async function step(cluster: Cluster): Promise<void> {
  const { random } = cluster
  gossip(cluster)
  await deliverLate(cluster)
  const due = [...cluster.nodes.values()].filter(node => node.dueMs <= cluster.nowMs && isRunning(node))
  if (due.length > 0 && random.chance(0.8)) {
    cluster.nowMs += random.int(1000)
    await tend(cluster, random.pick(due), interruption(cluster))
    return
  }
  cluster.nowMs += random.int(120_000)
  disturb(cluster)
}

/** What comes between two steps of the node that acts, sometimes. */
function interruption(cluster: Cluster): Interruption {
  const { random } = cluster
  return {
    disturb: random.chance(0.2) ? () => disturb(cluster) : undefined,
    isCut: random.chance(0.2),
  }
}

async function check(cluster: Cluster, number: number): Promise<void> {
  checkTouched(cluster)
  for (const id of cluster.touched) {
    const node = cluster.nodes.get(id)
    if (node !== undefined && isRunning(node) && cluster.random.chance(0.01)) await combineAll(cluster, node)
  }
  if (number % checkAllEvery === 0)
    for (const node of cluster.nodes.values()) if (isRunning(node)) checkNode(cluster, node)
}

/** Everything is healed: all nodes end with what is planned for them, guardians with what is named, and no more. */
async function settleAll(cluster: Cluster): Promise<void> {
  cluster.loss = 0
  cluster.late = []
  heal(cluster)
  rot(cluster, 0)
  for (const node of cluster.nodes.values()) if (!isRunning(node)) depart(cluster, node)
  for (const node of cluster.nodes.values()) crash(cluster, node)
  cluster.nowMs += 3_600_000
  const newest = cluster.history.length - 1
  for (const node of cluster.nodes.values()) hear(cluster, node, newest)
  for (const node of cluster.nodes.values())
    for (const owner of node.store.keys()) cluster.nodes.get(owner)?.told.add(node.id)
  for (const node of cluster.nodes.values()) await tend(cluster, node)
  for (const node of cluster.nodes.values()) {
    checkEnd(cluster, node)
    checkStore(cluster, node)
    if (cluster.random.chance(0.1)) await combineAll(cluster, node)
  }
}

function checkEnd(cluster: Cluster, node: SimNode): void {
  const { id, state, disk } = node
  const { current } = disk.record.openings
  const { guardians } = planOf(cluster, node)
  const planned = guardians.length < 4 ? undefined : guardians.join()
  const holders = current.kind === 'escrow' ? undefined : current.epoch.holders.map(one => one.node).join()
  const isRight =
    planned === undefined || (current.kind === 'escrow' ? guardians.length < 5 : holders === planned)
  if (state !== 'open' || !isRight)
    throw new Error(`Cannot end: ${id} is ${state}, or has other holders than planned`)
}

function checkStore({ nodes }: Cluster, { id, store }: SimNode): void {
  for (const [owner, held] of store) {
    const record = nodes.get(owner)?.disk.record
    const named = record === undefined ? [] : epochsOf(record.openings)
    if (held.some(one => !named.some(epoch => isSameEpoch(epoch, one.epoch))))
      throw new Error(`Cannot end: ${id} keeps shares of ${owner} that it does not name`)
  }
}
