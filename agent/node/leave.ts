import { setTimeout as sleep } from 'node:timers/promises'
import { checkDeparture, type Departure, signLeaving } from '../../protocol/cluster/departure.ts'
import { noMembers } from '../../protocol/cluster/membership.ts'
import { soleAuthority } from '../../protocol/cluster/trust.ts'
import { formatTime, type SignedText } from '../../protocol/fields.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { HttpError } from '../../http/error.ts'
import { log, tolerate } from '../system/log.ts'
import { storeFolder, withLeaseKey } from '../unlock/record-store.ts'
import { refuseShort } from './cluster-acts.ts'
import { checkOrder, takeOrder } from './orders.ts'
import { changeRecord } from './records.ts'
import type { Node } from './serve.ts'
import { dataFolder } from './volume.ts'

/*
 * A node leaves in steps, of which each can be the last before a power cut:
 *
 *   1. the departure, signed by its lease key, is in its record    from here on every boot goes on with 2
 *   2. the others are told, who erase its shares and share anew    nobody unlocks it any more, and nobody has to
 *      without it; until they have it stays their guardian. Gateways take it out of those that carry the registry,
 *      who would else count it for their majority for ever
 *   3. services, data and volume are closed
 *   4. what opens the volume is destroyed (unlock/erase.ts)        the partition is blank; the machine powers off
 *
 * A copy of the disk cannot begin it: the lease key is on the encrypted data alone.
 */

/** What leaving needs of the outside. */
export type LeaveWorld = {
  readonly withLeaseKey: <T>(use: (key: Uint8Array) => Promise<T>) => Promise<T>
  readonly pause: (ms: number) => Promise<unknown>
  readonly nowMs: () => number
}

export type Leaving = { readonly order: SignedText; readonly force?: 'yes' | undefined }

/** For the first of the others to hear of it. */
const tellMsMax = 10 * 60_000
/** From then on they tell each other, and take this node's peer away when they know. */
const spreadMsMax = 30_000
const pauseMs = 1000
/** For those that are up to share anew. That enough are left to open each of them was made sure before. */
const handOnMsMax = 5 * 60_000
/** So long who leaves stays a peer of all: gateways may need its vote to take it out of those that carry the registry. */
export const registryMs = 2 * 60_000
/** For the gateway here to say that it has: while the others still keep this node as a peer. */
const registryMsMax = registryMs - 20_000

/**
 * Begins to leave the cluster, by an order of the owner. Throws HttpError: 403 for a wrong order; 409 while the disk is
 * closed, or, unless forced, where others would have too few holders of their shares or none of them can be told.
 */
export async function leave(
  node: Node,
  { order, force }: Leaving,
  world: LeaveWorld = leaveWorld,
): Promise<object> {
  if (node.machine.state.current().name === 'stopping')
    throw new HttpError(409, 'the node is stopping', 'ask again when it has started')
  if (node.machine.dataOpen !== true)
    throw new HttpError(409, 'the disk is closed', 'unlock the node first: what it signs with is inside')
  if (node.view.membership().departures.get(node.record.nodeId)?.kind === 'evicted')
    throw new HttpError(
      409,
      'an operator has evicted this node: it has nothing to leave',
      'flash its disk anew',
    )
  const wanted = { action: 'leave', arguments: force === undefined ? {} : { force } } as const
  // Before it is said who depends on whom, and before anybody is called.
  checkOrder(node.record, order, wanted)
  if (force === undefined) {
    refuseShort(node, node.record.nodeId)
    await refuseUnheard(node)
  }
  await takeOrder(node, order, wanted)
  const { cluster, nodeId } = node.record
  const facts = { cluster, node: nodeId, at: formatTime(new Date(world.nowMs())) }
  const departure = await world.withLeaseKey(key => Promise.resolve(signLeaving(facts, key)))
  // Before anybody can hear of it: who has heard gives it no share, and only its record says then that it needs none.
  await changeRecord(node, record => node.view.into(departing(record, departure)))
  await node.view.hear({ membership: { ...noMembers, departures: [departure] }, endpoints: [] })
  beginLeaving(node, world)
  return { status: 'leaving', node: nodeId }
}

function departing({ membership, ...record }: NodeRecord, departure: Departure): NodeRecord {
  const others = membership.departures.filter(one => one.node !== departure.node)
  return { ...record, membership: { ...membership, departures: [...others, departure] } }
}

/** True where the unlocked node itself has signed that it leaves: then its volume may be destroyed. */
export function hasLeft({ nodeId, cluster, authority, hello, membership }: NodeRecord): boolean {
  const departure = membership.departures.find(one => one.node === nodeId)
  return departure !== undefined && isOwnLeaving(departure, { cluster, authority, hello })
}

function isOwnLeaving(
  departure: Departure,
  { cluster, authority, hello }: Pick<NodeRecord, 'cluster' | 'authority' | 'hello'>,
): boolean {
  if (departure.kind !== 'left') return false
  try {
    checkDeparture(departure, hello, soleAuthority({ cluster, authority }))
    return true
  } catch {
    return false
  }
}

/** Tells the others and stops; once, however often it is called. The disk is destroyed at the end of the stop. */
export function beginLeaving(node: Node, world: LeaveWorld = leaveWorld): void {
  if (node.isLeaving === true) return
  node.isLeaving = true
  log('leave: this node leaves its cluster; its disk is destroyed when the others know')
  void Promise.all([tellOthers(node, world).then(() => handOn(node, world)), leaveRegistry(node, world)])
    .catch(tolerate('leave'))
    .finally(() => {
      node.stop('power-off')
    })
}

/** Until each has taken it, or one has and the others had time to hear it from that one, or for ten minutes. */
async function tellOthers({ spread, view, record }: Node, { pause, nowMs }: LeaveWorld): Promise<void> {
  if (spread === undefined) return
  const others = view.members().filter(one => one !== record.nodeId)
  const untold = () => others.filter(one => !spread.isTold(one))
  let endMs = nowMs() + tellMsMax
  while (untold().length > 0 && nowMs() < endMs) {
    await spread.round()
    if (untold().length < others.length) endMs = Math.min(endMs, nowMs() + spreadMsMax)
    if (untold().length > 0) await pause(pauseMs)
  }
  const missed = untold()
  if (missed.length > 0) log(`leave: not told by this node itself: ${missed.join(', ')}`)
}

/** Until nobody of the others has a share here any more, or for five minutes. */
async function handOn({ store, view, record }: Node, { pause, nowMs }: LeaveWorld): Promise<void> {
  if (store === undefined || store.fault() !== undefined) return
  const owners = () => {
    const members = view.members().filter(one => one !== record.nodeId)
    const holdings = store.holdings()
    return members.filter(one => (holdings[one]?.epochs.length ?? 0) > 0)
  }
  if (owners().length > 0) log(`leave: stays a guardian until they have shared anew: ${owners().join(', ')}`)
  const endMs = nowMs() + handOnMsMax
  while (owners().length > 0 && nowMs() < endMs) await pause(pauseMs)
  if (owners().length > 0) log(`leave: have not shared anew: ${owners().join(', ')}`)
}

/** Until the gateway of this node has taken it out of the nodes that carry the registry. */
async function leaveRegistry(node: Node, { pause, nowMs }: LeaveWorld): Promise<void> {
  if (node.registryHas === undefined) return
  const isOut = () => node.registryHas === node.view.digest()
  const endMs = nowMs() + registryMsMax
  while (!isOut() && nowMs() < endMs) await pause(pauseMs)
  if (!isOut()) log('leave: the gateway here does not say so: perhaps the registry still counts this node')
}

/** Nobody would know, and the others would count on its shares. */
async function refuseUnheard({ spread, view, record }: Node): Promise<void> {
  const others = view.members().filter(one => one !== record.nodeId)
  if (others.length === 0) return
  await spread?.round()
  if (others.some(one => spread?.isTold(one))) return
  throw new HttpError(
    409,
    'no other node of the cluster can be told',
    'mend the network, or order it with force',
  )
}

const leaveWorld: LeaveWorld = {
  withLeaseKey: use => withLeaseKey(storeFolder(dataFolder), use),
  pause: sleep,
  nowMs: Date.now,
}
