import { QuorumError, settle, shareAnew, sweep } from '../../../../agent/shares/change.ts'
import { whyOld } from '../../../../agent/shares/need.ts'
import type { ShareWorld } from '../../../../agent/shares/world.ts'
import { isSameEpoch } from '../../../../protocol/shares/epoch.ts'
import { epochsOf } from '../../../../protocol/shares/opening.ts'
import { nextMode, planShares, type SharePlan } from '../../../../protocol/shares/plan.ts'
import { leftOver } from '../bench.ts'
import { type Border, PowerCut, processOn, unlock } from '../fake-world.ts'
import { type Cluster, count, membersAt, minuteMs, type SimNode, wake } from './cluster.ts'
import { checkNode, checkTouched, hasHeld, heldFor } from './invariant.ts'
import { reach, reachable } from './wire.ts'

/** What may come between two steps of a node: another event, or the end of its power. */
export type Interruption = { readonly disturb: (() => unknown) | undefined; readonly isCut: boolean }

/**
 * A node acts: locked, it collects its secret and ends what was cut off; open, it shares its secret anew where that is
 * due, and has old shares erased. The invariant is checked after each call that can change something.
 */
export async function tend(cluster: Cluster, node: SimNode, plague?: Interruption): Promise<void> {
  node.dueMs = Infinity
  cluster.busy = node
  cluster.touched.add(node.id)
  cluster.isUnsure = [...cluster.nodes.values()].some(one => one.rots)
  const power = { isCut: false }
  const border = interrupted(cluster, node, { plague, power })
  const world = processOn(node.disk, {
    reach: name => reach(cluster, node, name),
    border,
    now: () => new Date(cluster.nowMs + node.clockMs),
  })
  try {
    if (node.state === 'open' || (await start(cluster, node, world))) await renew(cluster, node, world)
  } catch (error) {
    if (!power.isCut) retryLater(cluster, node, error)
  }
  cluster.busy = undefined
  if (cluster.failure !== undefined) throw cluster.failure
  if (power.isCut) crash(cluster, node)
  else if (node.state === 'open') checkSettled(node)
}

/** The power of a node is cut; guardians wait for its lease to end. */
export function crash(cluster: Cluster, node: SimNode): void {
  node.state = 'locked'
  node.leaseEndsMs = cluster.nowMs + minuteMs
  wake(cluster, node, cluster.random.int(2 * minuteMs))
}

type Fate = { readonly plague: Interruption | undefined; readonly power: { isCut: boolean } }

function interrupted(cluster: Cluster, node: SimNode, { plague, power }: Fate): Border {
  const { holders = [] } = epochsOf(node.disk.record.openings)[0] ?? {}
  // Somewhere among deposits, what is done to the disk, and releases; sometimes nowhere.
  const place = plague === undefined ? -1 : cluster.random.int(4 * Math.max(holders.length, 5) + 12)
  let passed = 0
  const pass: Border = (when, call) => {
    // Before a call all is as it was after the one before, and giving a share back changes nothing.
    if (when === 'after' && !call.startsWith('release')) checkNode(cluster, node)
    if (passed++ !== place || plague === undefined) return
    if (plague.disturb !== undefined) {
      plague.disturb()
      cluster.isUnsure = true
      checkTouched(cluster)
    }
    if (!plague.isCut) return
    count(cluster, 'power cut in a change')
    power.isCut = true
    throw new PowerCut()
  }
  return (when, call) => {
    try {
      pass(when, call)
    } catch (error) {
      // A guardian may fail, so what is thrown in a call to one goes no further than the log.
      if (!power.isCut) cluster.failure ??= error as Error
      throw error
    }
  }
}

async function start(cluster: Cluster, node: SimNode, world: ShareWorld): Promise<boolean> {
  const way = await unlock(node.disk, world)
  count(cluster, way === undefined ? 'waits for peers' : 'unlocked')
  if (way === undefined) {
    wake(cluster, node, 16_000 + cluster.random.int(minuteMs))
    return false
  }
  await settle(world, way)
  node.state = 'open'
  return true
}

async function renew(cluster: Cluster, node: SimNode, world: ShareWorld): Promise<void> {
  const before = holdersOf(node)
  const plan = planOf(cluster, node)
  if (isDue(cluster, node, plan)) {
    await shareAnew(world, plan)
    count(cluster, 'new epoch')
    checkQuorum(cluster, node, plan)
  }
  const asked = new Set([...before, ...holdersOf(node), ...node.told])
  await sweep(world, [...asked])
  node.told.clear()
  for (const one of asked) if (hasMore(cluster, node, one)) node.told.add(one)
  const lack = lacking(cluster, node)
  node.lacks = lack.length > 0
  if (lack.some(one => reachable(cluster, node, one)))
    wake(cluster, node, (10 + cluster.random.int(20)) * minuteMs)
}

/** So many have their share as were needed; where nothing came between and no guardian is broken. */
function checkQuorum(cluster: Cluster, { id, disk }: SimNode, { quorum }: SharePlan): void {
  const { current } = disk.record.openings
  if (current.kind === 'escrow') throw new Error(`Cannot go on: ${id} is in escrow after a new epoch`)
  if (cluster.isUnsure || hasHeld(cluster, id, { epoch: current.epoch, count: quorum })) return
  throw new Error(`Cannot go on: fewer than ${quorum} hold shares of ${id}`)
}

/** Who is to hold its shares, as far as it knows the members; kept until it hears of others. */
export function planOf(cluster: Cluster, node: SimNode): SharePlan {
  if (node.planned?.heard !== node.heard)
    node.planned = { heard: node.heard, plan: planShares(node.id, membersAt(cluster, node.heard)) }
  return node.planned.plan
}

/** Whether the node needs a new epoch: what its caller will have to decide in the agent. */
function isDue(cluster: Cluster, node: SimNode, plan: SharePlan): boolean {
  const { current } = node.disk.record.openings
  const next = nextMode(current.kind === 'escrow' ? 'escrow' : 'shamir', plan.guardians.length)
  if (current.kind === 'escrow') return next === 'shamir'
  if (next === 'ask-owner') return false
  const { epoch } = current
  const holders = holdersOf(node)
  const isOther = epoch.threshold !== plan.threshold || holders.join() !== plan.guardians.join()
  const isOld = whyOld(node.id, epoch, new Date(cluster.nowMs + node.clockMs)) !== undefined
  return isOther || isOld || lacking(cluster, node).some(one => reachable(cluster, node, one))
}

function holdersOf({ disk }: SimNode): readonly string[] {
  const { current } = disk.record.openings
  return current.kind === 'escrow' ? [] : current.epoch.holders.map(one => one.node)
}

/** Holders that do not have their share: those that are reached tell when they are asked, as with each lease. */
function lacking(cluster: Cluster, { id, disk }: SimNode): readonly string[] {
  const { current } = disk.record.openings
  if (current.kind === 'escrow') return []
  const { epoch } = current
  const lack = epoch.holders.filter(holder => heldFor(cluster, { owner: id, epoch, holder }) === undefined)
  return lack.map(one => one.node)
}

/** True while a guardian keeps what the node does not name: it has to be told again. */
function hasMore({ nodes }: Cluster, { id, disk }: SimNode, guardian: string): boolean {
  const named = epochsOf(disk.record.openings)
  const held = nodes.get(guardian)?.store.get(id) ?? []
  return held.some(one => !named.some(epoch => isSameEpoch(epoch, one.epoch)))
}

function retryLater(cluster: Cluster, node: SimNode, error: unknown): void {
  const isExpected =
    error instanceof QuorumError ||
    (error instanceof Error && error.message.startsWith('Cannot share secret: it could not be fetched'))
  if (!isExpected) throw error
  count(cluster, error instanceof QuorumError ? 'too few took a share' : 'too few gave it back')
  wake(cluster, node, (10 + cluster.random.int(10)) * minuteMs)
}

/** What an open node leaves behind when it was not cut off: one way, and nothing that it does not name. */
function checkSettled({ id, disk }: SimNode): void {
  const left = leftOver(disk)
  if (left.length > 0 || disk.record.openings.next !== undefined)
    throw new Error(`Cannot go on: ${id} has left ${left.join(', ') || 'a next way'}`)
}
