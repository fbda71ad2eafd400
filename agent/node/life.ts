import { mkdirSync } from 'node:fs'
import type { NodeRecord } from '../../protocol/record.ts'
import type { NodeState } from '../../protocol/status.ts'
import { rearm, withEsp } from '../boot/esp.ts'
import { clusterView } from '../cluster/view.ts'
import { applyFirewall } from '../network/firewall.ts'
import { readManifests } from '../services/world.ts'
import { begin } from '../system/begin.ts'
import { setHostname } from '../system/libc.ts'
import { onPowerButton } from '../system/power-button.ts'
import { describe, log, tolerate } from '../system/log.ts'
import { run } from '../system/run.ts'
import { updateRecord } from '../unlock/commit.ts'
import { withHeader } from '../unlock/header-file.ts'
import { rehearse } from '../unlock/open.ts'
import { applyPeers, joinNews } from './cluster.ts'
import { waitForOwner } from './enrollment.ts'
import { serveJoins } from './gateway.ts'
import { serveShares, type SharesOf } from './guardian.ts'
import { followHints } from './hints.ts'
import { introduceNode } from './introduction.ts'
import { beginLeaving, hasLeft } from './leave.ts'
import { known, type Machine } from './machine.ts'
import { enrolledSide } from './network.ts'
import { waitingRekey } from './rekey.ts'
import { type Node, serveCommands } from './serve.ts'
import { prepareServices } from './services.ts'
import { startCare } from './shares.ts'
import { stopMachine } from './stop.ts'
import { type Tokens, tokensOf } from './tokens.ts'
import { untilOpen } from './unlocking.ts'
import { nodeVolume, nodeWorld } from './volume.ts'

/** From a finished boot on: enrollment or unlock, then services until the end. */
export async function live(machine: Machine): Promise<void> {
  mkdirSync('/run/orama', { recursive: true, mode: 0o700 })
  onPowerButton(() => void stopMachine(machine, 'power-off'))
  const opened = await (known(machine, 'data').kind === 'enrolled' ? wake : welcome)(machine)
  if (opened !== undefined) startWork(opened)
}

/** A blank node: waits for its owner. The data is open afterwards. */
async function welcome(machine: Machine): Promise<Node> {
  const record = await waitForOwner(machine, () => rearmEntry(machine))
  const node = newNode(machine, { record, view: clusterView(record) })
  await openToPeers(node, () => undefined)
  await serveCommands(node)
  startCare(node, node.record.openings.current)
  return node
}

/**
 * An enrolled node that has just booted: its record from the header, WireGuard, command server, then it waits for its
 * secret. Undefined for a header that is not ours or was changed: nothing is formatted, nothing starts.
 */
async function wake(machine: Machine): Promise<Node | undefined> {
  const tokens = await readTokens(machine).catch((cause: unknown) => {
    refuse(machine, cause)
  })
  if (tokens === undefined) return undefined
  const { record, view, escrow, shares, reencryption } = tokens
  const node = newNode(machine, { record, view })
  if (reencryption !== undefined) node.rekey = await waitingRekey(machine)
  await openToPeers(node, shares)
  if (hasLeft(record)) {
    beginLeaving(node)
    return undefined
  }
  await serveCommands(node)
  const open = untilOpen(node, escrow)
  await rearmEntry(machine)
  void rehearse(nodeWorld(), nodeVolume(known(machine, 'disk'))).catch(tolerate('rehearsal of the unlock'))
  await open
  return node
}

/** Waits for people: starting again would change nothing. */
function refuse(machine: Machine, cause: unknown): void {
  log(`data: refused: ${describe(cause)}`)
  machine.state.become('locked', `an operator: ${describe(cause)}`)
}

function newNode(machine: Machine, { record, view }: Pick<Node, 'record' | 'view'>): Node {
  const keepRecord = async (next: NodeRecord) =>
    (await updateRecord(nodeWorld(), nodeVolume(known(machine, 'disk')), next)).record
  const node: Node = {
    machine,
    record,
    view,
    keepRecord,
    stop: how => void stopMachine(machine, how),
  }
  machine.node = node
  return node
}

async function readTokens(machine: Machine): Promise<Tokens> {
  const { device, headerFile } = nodeVolume(known(machine, 'disk'))
  return tokensOf(await withHeader(device, headerFile, found => Promise.resolve(found.header)))
}

/** WireGuard, the rules of an enrolled node, which have to name the ports of its services, and the early ones of these. */
async function openToPeers(node: Node, held: SharesOf['held']): Promise<void> {
  const { wireguard, nodeId } = node.record
  setHostname(nodeId)
  // Beside the programs of WireGuard.
  const reading = begin(readManifests())
  await applyPeers(node)
  log('WireGuard: up')
  const manifests = await reading
  await applyFirewall(enrolledSide(node.machine, { wireguard, services: manifests }), run)
  await serveShares(node, { manifests, held })
  await serveJoins(node, manifests)
  joinNews(node)
  introduceNode(node, manifests)
  followHints(node)
  node.services = prepareServices(node.machine, {
    manifests,
    record: () => node.record,
    peers: node.view.peers,
    onChange: () => {
      judgeServices(node)
    },
  })
}

function startWork(node: Node): void {
  const { machine } = node
  // Its power button was pressed meanwhile: the disk is being closed.
  if (machine.state.current().name === 'stopping') return
  machine.state.become('starting')
  node.services?.startAll()
  judgeServices(node)
}

const working: readonly NodeState[] = ['starting', 'ready', 'degraded']

/** All ready: the node is. One that fails afterwards degrades it. */
function judgeServices(node: Node): void {
  const { state } = node.machine
  const name = state.current().name
  if (node.services === undefined || !working.includes(name)) return
  const failing = Object.entries(node.services.supervisor.status()).filter(([, s]) => s.state !== 'ready')
  if (failing.length === 0 && name !== 'ready') {
    state.become('ready')
    log('services: all are ready')
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
