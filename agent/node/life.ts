import { mkdirSync } from 'node:fs'
import type { NodeRecord } from '../../protocol/record.ts'
import { rearm, withEsp } from '../boot/esp.ts'
import { unlockDesk } from '../command/unlock.ts'
import { applyFirewall } from '../network/firewall.ts'
import { bringUpWireguard } from '../network/wireguard.ts'
import type { Manifest } from '../services/manifest.ts'
import { readManifests } from '../services/world.ts'
import { faultPoint } from '../system/faults.ts'
import { reboot, setHostname } from '../system/libc.ts'
import { describe, log, tolerate } from '../system/log.ts'
import { run } from '../system/run.ts'
import { updateRecord } from '../unlock/commit.ts'
import { withHeader } from '../unlock/header-file.ts'
import { abandon, openNode } from '../unlock/open.ts'
import { readEscrowToken, readNodeToken } from '../unlock/tokens.ts'
import { waitForOwner } from './enrollment.ts'
import { known, type Machine } from './machine.ts'
import { publicSide } from './network.ts'
import { type Node, serveCommands } from './serve.ts'
import { startServices } from './services.ts'
import { nodeVolume, nodeWorld } from './volume.ts'

/** From a finished boot on: enrollment or unlock, then services until the end. */
export async function live(machine: Machine): Promise<void> {
  mkdirSync('/run/orama', { recursive: true, mode: 0o700 })
  const manifests = await readManifests()
  if (known(machine, 'data').kind === 'enrolled') {
    const node = await wake(machine, manifests)
    if (node !== undefined) await unlockThenServe(node, manifests)
    return
  }
  await rearmEntry(machine)
  const record = await waitForOwner(machine)
  machine.data = { kind: 'enrolled' }
  const node = newNode(machine, record)
  await openToPeers(node, manifests)
  await serveCommands(node)
  startWork(node, manifests)
}

function newNode(machine: Machine, record: NodeRecord): Node {
  const node: Node = {
    machine,
    record,
    stop: how => {
      void shutDown(node, how)
    },
  }
  return node
}

/** An enrolled node that has just booted: its record from the header, WireGuard, command server. */
async function wake(machine: Machine, manifests: readonly Manifest[]): Promise<Node | undefined> {
  const volume = nodeVolume(known(machine, 'disk'))
  try {
    const { header } = await withHeader(volume.device, volume.headerFile, found => Promise.resolve(found))
    const { record } = readNodeToken(header)
    const escrow = readEscrowToken(header)
    const node = newNode(machine, record)
    await openToPeers(node, manifests)
    if (escrow === undefined) throw new Error('Cannot unlock: the header has no escrow')
    node.unlock = unlockDesk({
      record,
      escrow,
      open: (secret, number) => openData(node, secret, number),
    })
    await serveCommands(node)
    return node
  } catch (cause) {
    // Nothing is formatted, nothing starts: a header that is not ours, or was changed, is for people to look at.
    log(`data: refused: ${describe(cause)}`)
    machine.state.become('locked', `an operator: ${describe(cause)}`)
    return undefined
  }
}

let opened: (() => void) | undefined

async function unlockThenServe(node: Node, manifests: readonly Manifest[]): Promise<void> {
  const open = new Promise<void>(resolve => (opened = resolve))
  node.machine.state.become('locked', 'its owner: orama node unlock')
  await rearmEntry(node.machine)
  await open
  startWork(node, manifests)
}

/** Opens the volume with a secret that is lent, and stores the number of the order that brought it. */
async function openData(node: Node, secret: Buffer, orderNumber: number): Promise<void> {
  const volume = nodeVolume(known(node.machine, 'disk'))
  const started = performance.now()
  await faultPoint('unlock')
  const { record } = await openNode(nodeWorld(), volume, secret)
  log(`unlock: secret received to data mounted: ${(performance.now() - started).toFixed(0)} ms`)
  const next = { ...record, revision: record.revision + 1, lastOrder: orderNumber }
  node.record = (await updateRecord(nodeWorld(), volume, next)).record
  node.unlock = undefined
  opened?.()
}

/** WireGuard and the rules of an enrolled node. */
async function openToPeers(node: Node, manifests: readonly Manifest[]): Promise<void> {
  const { wireguard, nodeId } = node.record
  setHostname(nodeId)
  const privateKey = Buffer.from(wireguard.privateKey, 'base64')
  try {
    await bringUpWireguard({ ...wireguard, privateKey }, run)
  } finally {
    privateKey.fill(0)
  }
  await applyFirewall(
    { ...publicSide(node.machine), enrollmentOpen: false, wireguard, services: manifests },
    run,
  )
}

function startWork(node: Node, manifests: readonly Manifest[]): void {
  const { machine, record } = node
  machine.state.become('starting')
  node.services = startServices(machine, { manifests, record }, () => {
    judgeServices(node)
  })
  judgeServices(node)
}

/** All ready: the node is. One that fails afterwards degrades it. */
function judgeServices(node: Node): void {
  const { state } = node.machine
  const name = state.current().name
  if (node.services === undefined || name === 'stopping') return
  const failing = Object.entries(node.services.supervisor.status()).filter(([, s]) => s.state !== 'ready')
  if (failing.length === 0 && name !== 'ready') {
    state.become('ready')
    void rearmEntry(node.machine)
  } else if (failing.length > 0 && name === 'ready') {
    state.become('degraded', failing.map(([service]) => service).join(', '))
  }
}

/** Gives this version its tries back, now that the node does what it can do without people or peers. */
async function rearmEntry(machine: Machine): Promise<void> {
  const booted = machine.firmware?.bootedEntry
  if (booted === undefined) return
  await withEsp(known(machine, 'disk').esp, 'write', folder => rearm(folder, booted)).catch(
    tolerate('boot entry'),
  )
}

/** Services in reverse order, disk closed, synced, then the end. What hangs does not hold it up for ever. */
export async function shutDown(node: Node, how: 'restart' | 'power-off'): Promise<void> {
  const { machine } = node
  if (machine.state.current().name === 'stopping') return
  machine.state.become('stopping')
  const late = setTimeout(() => {
    log('stopping: took too long, ending now')
    reboot(how)
  }, 90_000)
  await node.services?.supervisor.stopAll().catch(tolerate('stop services'))
  machine.stopping.abort()
  await closeLogs(node).catch(tolerate('close logs'))
  if (node.services !== undefined)
    await abandon(nodeWorld(), nodeVolume(known(machine, 'disk'))).catch(tolerate('close data'))
  clearTimeout(late)
  reboot(how)
}

async function closeLogs(node: Node): Promise<void> {
  for (const serviceLog of node.services?.logs.values() ?? []) await serviceLog[Symbol.asyncDispose]()
}
