import type { Server } from 'node:http'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatTime, fromBase64url } from '../../protocol/fields.ts'
import { verifyOrder } from '../../protocol/order.ts'
import { acknowledgementContext, type AcknowledgementRequest } from '../../protocol/requests.ts'
import { sealTo } from '../../protocol/seal.ts'
import type { Confinement, Status } from '../../protocol/status.ts'
import { bearerGuard, commandRoutes } from '../command/routes.ts'
import type { Spread } from '../cluster/spread.ts'
import type { ClusterView } from '../cluster/view.ts'
import type { UnlockDesk } from '../command/unlock.ts'
import { acknowledge } from '../enroll/commit.ts'
import { HttpError } from '../../http/error.ts'
import { serveHttp } from '../../http/server.ts'
import type { Ask } from '../shares/ask.ts'
import type { Care } from '../shares/care.ts'
import type { Tunnel } from '../network/tunnel.ts'
import type { ShareStore } from '../guardian/share-store.ts'
import type { Contacts } from '../shares/contacts.ts'
import { addLogSink, describe, log, recentLines, tolerate, uptimeS } from '../system/log.ts'
import { confinementOf, rootProcesses } from '../system/processes.ts'
import { identityProtection } from '../trust/identity.ts'
import { carryOut } from './acts.ts'
import { known, type Machine } from './machine.ts'
import type { RecordKeeper } from './records.ts'
import { refusalLog } from './refusals.ts'
import { type Rekey, rekeyStatus } from './rekey.ts'
import { sharesStatus } from './share-status.ts'
import type { Services } from './services.ts'
import type { Copy } from './whereabouts.ts'

const port = 9998

/** An enrolled node as its command server sees it: parts appear as the boot goes on. */
export type Node = RecordKeeper & {
  readonly machine: Machine
  /** Of its cluster, as it is known now. */
  readonly view: ClusterView
  unlock?: UnlockDesk | undefined
  /** Once WireGuard is wanted. */
  tunnel?: Tunnel
  /** Once it is in touch with the others. */
  ask?: Ask
  spread?: Spread
  /** What it holds for others, once it serves them. */
  store?: Pick<ShareStore, 'fault' | 'holdings' | 'keep'>
  /** Once it has asked its guardians. */
  contacts?: Contacts
  /** Where another machine has spoken with its key; until it starts again. */
  copy?: Copy
  /** Once its disk is open. */
  care?: Pick<Care, 'goodbye' | 'takeBack' | 'renew' | 'isChanging' | 'trouble'>
  /** While its disk is given a new key, open or closed. */
  rekey?: Rekey | undefined
  services?: Services
  /** It tells the others that it leaves, or has done so. */
  isLeaving?: boolean
  /** The digest of the news that the registry has, as the gateway of this node says; absent where there is none. */
  registryHas?: string
  /** Stops everything in order and ends the machine. */
  readonly stop: (how: 'restart' | 'power-off') => void
}

/** A node with too much to do takes seconds to read what has come. */
const limits = { headersMs: 15_000, requestMs: 30_000 }

/** Serves port 9998 on the WireGuard address, from before the unlock until the end. */
export function serveCommands(node: Node): Promise<Server> {
  const token = node.record.agentToken
  return serveHttp({
    ...{ address: node.record.wireguard.address, port, limits },
    report: tolerate('http'),
    refused: refusalLog({ log, nowMs: () => performance.now() }),
    guard: bearerGuard(token),
    routes: commandRoutes({
      token,
      status: () => Promise.resolve(statusOf(node)),
      unlock: () => node.unlock,
      acknowledge: request => acknowledgeAgain(node, request),
      command: command =>
        command.action === 'status' ? Promise.resolve(statusOf(node)) : carryOut(node, command),
      news: async (news, from) => {
        await node.spread?.hear(news, from)
        return node.view.news()
      },
      logs: (service, lines) => readLog(node, service, lines),
      followLogs: (service, lines, signal) =>
        node.services?.logs.get(service)?.follow(lines, signal) ?? followAgent(lines, signal),
      logNames: () => ['agent', ...(node.services?.logs.keys() ?? [])],
    }),
  })
}

const rootProcessesMax = 64

function statusOf(node: Node): Status {
  const { machine, record } = node
  const image = known(machine, 'image')
  const firmware = known(machine, 'firmware')
  const state = machine.state.current()
  return {
    version: image.version,
    buildKind: image.buildKind,
    test: image.test,
    slot: known(machine, 'disk').slot,
    state: state.name,
    since: formatTime(new Date(state.sinceMs)),
    ...(state.waitingFor === undefined ? {} : { waitingFor: state.waitingFor }),
    nodeId: record.nodeId,
    hostname: hostname(),
    identity: identityProtection(record),
    secureBoot: firmware.secureBoot,
    watchdog: machine.watchdog?.kind ?? 'none',
    uptimeS: Math.round(uptimeS()),
    ...(firmware.lastPanic === undefined ? {} : { lastPanic: firmware.lastPanic }),
    rootProcesses: rootProcesses().slice(0, rootProcessesMax),
    lastOrder: record.lastOrder,
    shares: sharesStatus(node),
    ...rekeyStatus(node),
    ...auditState(node.services),
    services: node.services === undefined ? {} : serviceStates(node.services, machine.dataOpen === true),
  }
}

function auditState(services: Services | undefined): Pick<Status, 'audit' | 'deniedLost'> {
  if (services === undefined) return {}
  const lost = services.audit.lost()
  return { audit: services.audit.state(), ...(lost === 0 ? {} : { deniedLost: lost }) }
}

/** Undefined for a process that has ended since. */
function confinementIfThere(pid: number): Confinement | undefined {
  try {
    return confinementOf(pid)
  } catch {
    return undefined
  }
}

/** While the disk is closed, of the early services: the others cannot run. */
function serviceStates(
  { manifests, supervisor, seccomp, denied }: Services,
  dataOpen: boolean,
): Status['services'] {
  const ago = (ms: number) => formatTime(new Date(Date.now() - ms))
  const shown = new Set(manifests.filter(one => dataOpen || one.early).map(one => one.name))
  const all = Object.entries(supervisor.status()).filter(([name]) => shown.has(name))
  const states = all.map(([name, { forMs, lastProbe, ...rest }]) => {
    const confinement = rest.pid === undefined ? undefined : confinementIfThere(rest.pid)
    return [
      name,
      {
        ...rest,
        since: ago(forMs),
        ...(lastProbe === undefined ? {} : { lastProbe: { at: ago(lastProbe.agoMs), good: lastProbe.good } }),
        seccomp: seccomp.modeOf(name),
        denied: denied(name),
        ...(confinement === undefined ? {} : { confinement }),
      },
    ] as const
  })
  return Object.fromEntries(states)
}

/**
 * The acknowledgement once more, sealed to the key that the order names. The number of this order is not stored: a
 * locked node has to answer, and its record can be written only while the data is open. So the order is good until it
 * expires or one after it is stored; it changes nothing, and only who had the key made can read the answer.
 */
export function acknowledgeAgain(
  { record }: Pick<Node, 'record'>,
  request: AcknowledgementRequest,
): { box: string } {
  try {
    const order = verifyOrder(request.order, {
      nodeId: record.nodeId,
      owner: record.owner,
      action: 'acknowledge',
      lastNumber: record.lastOrder,
      now: new Date(),
    })
    if (order.arguments['ephemeral'] !== request.ephemeral)
      throw new RangeError('Cannot accept order: it names another key')
  } catch (cause) {
    throw new HttpError(403, describe(cause), 'only the owner of this node may ask')
  }
  const text = Buffer.from(JSON.stringify(acknowledge(record)))
  return { box: sealTo(fromBase64url(request.ephemeral), acknowledgementContext, text) }
}

async function readLog(node: Node, service: string, lines: number): Promise<string> {
  const found = service === 'agent' ? recentLines(lines) : await node.services?.logs.get(service)?.tail(lines)
  return (found ?? []).map(line => `${line}\n`).join('')
}

const followedMax = 1000

async function* followAgent(count: number, signal: AbortSignal): AsyncGenerator<string> {
  const lines = [...recentLines(count)]
  let woken = Promise.withResolvers<undefined>()
  // The claim word and its like are announced, not logged: only lines with a time stamp are passed on.
  const remove = addLogSink(line => {
    if (!line.startsWith('[') || lines.length >= followedMax) return
    lines.push(line)
    woken.resolve(undefined)
  })
  try {
    while (!signal.aborted) {
      yield* lines.splice(0)
      await Promise.race([woken.promise, sleep(1000)])
      woken = Promise.withResolvers()
    }
  } finally {
    remove()
  }
}
