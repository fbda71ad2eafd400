import type { SignedText } from '../../protocol/fields.ts'
import { lend, secretBuffer } from '../../protocol/secret.ts'
import type { Opening, Openings } from '../../protocol/shares/opening.ts'
import { planShares, shamirDownTo } from '../../protocol/shares/plan.ts'
import type { RekeyStatus } from '../../protocol/status.ts'
import { HttpError } from '../../http/error.ts'
import { faultPoint } from '../system/faults.ts'
import { describe, log } from '../system/log.ts'
import { readLuksHeader } from '../unlock/header-read.ts'
import { settledMetadata } from '../unlock/header-write.ts'
import { keyslotsOf } from '../unlock/keyslots.ts'
import type { LuksHeader } from '../unlock/luks-header.ts'
import { storeFolder, volumeKeyPath } from '../unlock/record-store.ts'
import { beginReencryption, partOf, reencrypt } from '../unlock/reencrypt.ts'
import { keepVolumeKey } from '../unlock/volume-key.ts'
import { known, type Machine } from './machine.ts'
import { takeOrder } from './orders.ts'
import { changeRecord } from './records.ts'
import type { Node } from './serve.ts'
import { isBarred } from './shares.ts'
import { nodeVolume, nodeWorld } from './volume.ts'

/*
 * A disk gets a new volume key in steps, of which each can be the last before a power cut:
 *
 *   1. a new secret takes the place of the old one (shares/change.ts)    old secrets open no keyslot any more
 *   2. a keyslot with the new key is in the header                      destroyed after the next unlock
 *   3. the header is marked, with both keys                             from here on every unlock goes on with 4
 *   4. the data gets the new key, zone by zone, while services run      a zone that was cut off is put right first
 *   5. the old key is destroyed                                         ended at the next unlock
 *   6. the kept volume key is the new one                               ended at the next unlock
 *   7. the record names the new keyslot                                 ended at the next unlock
 *
 * The secret comes first: from 3 on each unlock needs one that opens both keys, and a node has none at hand.
 */

export type Rekey = Pick<RekeyStatus, 'state' | 'percent' | 'why'> & {
  /** Ends the work in order, to go on at the next start. */
  readonly stop: () => Promise<void>
}

/**
 * Begins to give the disk a new volume key, by an order of the owner. Throws HttpError: 403 for a wrong order; 409 while
 * the disk is closed, or its secret cannot be renewed now.
 */
export async function rekey(node: Node, order: SignedText): Promise<object> {
  refuse(node)
  await takeOrder(node, order, { action: 'rekey', arguments: {} })
  // Two orders may have come at once.
  refuse(node)
  await begin(node)
  return { status: 'rekeying' }
}

function refuse(node: Node): void {
  const { care, machine, record, view } = node
  const state = machine.state.current().name
  if (machine.dataOpen !== true || care === undefined || state === 'stopping')
    throw new HttpError(409, 'the disk is closed, or being closed', `the node is ${state}`)
  if (node.rekey !== undefined)
    throw new HttpError(409, 'the disk is being given a new key already', `${node.rekey.percent} % are done`)
  if (care.isChanging())
    throw new HttpError(409, 'the secret of the disk is being changed', 'order it again in a minute')
  if (record.openings.current.kind === 'escrow') return
  if (isBarred(node))
    throw new HttpError(409, 'guardians give no shares of this node', 'its secret cannot be renewed')
  const { guardians } = planShares(record.nodeId, view.members())
  if (guardians.length < shamirDownTo)
    throw new HttpError(409, `only ${guardians.length} guardians are left`, "first 'orama node escrow'")
}

/** Until the header is marked: what fails before has changed no data. */
async function begin(node: Node): Promise<void> {
  const begun = Promise.withResolvers<undefined>()
  const { work, rekey: mine } = newWork(node)
  node.rekey = mine
  const renewed = node.care?.renew(async secret => {
    await mark(node, secret)
    begun.resolve(undefined)
    await work(secret)
  })
  renewed?.catch((cause: unknown) => {
    log(`rekey: ${describe(cause)}`)
    node.rekey = undefined
    begun.reject(new HttpError(409, describe(cause), 'the disk has its old key; order it again'))
  })
  await begun.promise
}

async function mark(node: Node, secret: Buffer): Promise<void> {
  const { world, volume } = places(node)
  const { keyslot } = node.record.openings.current
  try {
    await beginReencryption(world.run, { device: volume.device, secret, keyslot })
  } catch (cause) {
    const { reencryption } = await readLuksHeader(volume.device)
    if (reencryption?.kind === 'begun') await keyslotsOf(world, volume).kill(Number(reencryption.newKeyslot))
    // It came to its end, but not in time.
    if (reencryption?.kind !== 'clean') throw cause
  }
  log('rekey: begun; the data is re-encrypted while services run')
}

/** Goes on after an unlock, with a copy of the secret that opened the disk. */
export function goOnWith(lent: Buffer): (node: Node) => Promise<void> {
  const secret = secretBuffer(lent.length)
  lent.copy(secret)
  return node =>
    lend(secret, async () => {
      const { work, rekey: mine } = newWork(node)
      node.rekey = mine
      log('rekey: goes on')
      await work(secret)
    })
}

type Work = { readonly rekey: Rekey; readonly work: (secret: Buffer) => Promise<void> }

/** The work, of which each error is told: it stays to be done, and the next start goes on with it. */
function newWork(node: Node): Work {
  const stopping = new AbortController()
  const ended = Promise.withResolvers<undefined>()
  let isAtWork = false
  const stop = async () => {
    stopping.abort()
    if (isAtWork) await ended.promise
  }
  const mine: Rekey = { state: 'running', percent: 0, stop }
  const work = async (secret: Buffer) => {
    isAtWork = true
    try {
      await carryOut(node, { secret, signal: stopping.signal })
    } catch (cause) {
      log(`rekey: ${describe(cause)}`)
      const percent = node.rekey?.percent ?? 0
      node.rekey = { state: 'stopped', percent, why: describe(cause).slice(0, 200), stop }
    } finally {
      ended.resolve(undefined)
    }
  }
  return { rekey: mine, work }
}

type Task = { readonly secret: Buffer; readonly signal: AbortSignal }

async function carryOut(node: Node, { secret, signal }: Task): Promise<void> {
  const { world, volume } = places(node)
  await faultPoint('rekey')
  const report = (done: number) => {
    tell(node, Math.floor(done * 100))
  }
  const isDone = await reencrypt({ ...volume, run: world.run, secret, report, signal })
  if (!isDone) return
  const header = await readLuksHeader(volume.device)
  const file = volumeKeyPath(storeFolder(volume.mountPoint))
  await keepVolumeKey(world.run, { device: volume.device, header, secret, file })
  await changeRecord(node, record => ({ ...record, openings: openingsIn(header, record.openings) }))
  node.rekey = undefined
  log('rekey: done; copies of the header that were made before open nothing of this disk')
}

/** Every tenth part is a line of the log, and so of the console. */
function tell(node: Node, percent: number): void {
  const { rekey: before } = node
  if (before?.state !== 'running' || before.percent === percent) return
  node.rekey = { ...before, percent }
  if (Math.floor(percent / 10) > Math.floor(before.percent / 10)) log(`rekey: ${percent} %`)
}

/** What a closed disk tells; undefined where it has one key. */
export async function waitingRekey(machine: Machine): Promise<Rekey | undefined> {
  const { reencryption, dataBytes } = await readLuksHeader(known(machine, 'disk').data)
  if (reencryption === undefined || reencryption.kind === 'begun') return undefined
  const percent = Math.floor(partOf(reencryption, dataBytes) * 100)
  log(`rekey: ${percent} %, goes on when the disk is open`)
  return { state: 'waiting', percent, stop: () => Promise.resolve() }
}

/** The ways of a record, as its header has their keyslots: at the end of a re-encryption only that of the new key. */
export function openingsIn(header: LuksHeader, openings: Openings): Openings {
  const there = Object.keys(settledMetadata(header).keyslots)
  const isThere = ({ keyslot }: Opening) => there.includes(String(keyslot))
  if (header.reencryption?.kind === 'clean' || isThere(openings.current)) return openings
  const [keyslot, ...others] = there
  if (keyslot === undefined || others.length > 0 || openings.next !== undefined) return openings
  return { current: { ...openings.current, keyslot: Number(keyslot) } }
}

export function rekeyStatus({ rekey: found }: Pick<Node, 'rekey'>): { rekey?: RekeyStatus } {
  if (found === undefined) return {}
  const { state, percent, why } = found
  return { rekey: { state, percent, ...(why === undefined ? {} : { why }) } }
}

function places(node: Node) {
  return { world: nodeWorld(), volume: nodeVolume(known(node.machine, 'disk')) }
}
