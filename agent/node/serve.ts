import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatTime, fromBase64url } from '../../protocol/fields.ts'
import { verifyOrder } from '../../protocol/order.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { acknowledgementContext, type AcknowledgementRequest, type Command } from '../../protocol/requests.ts'
import { sealTo } from '../../protocol/seal.ts'
import type { Status } from '../../protocol/status.ts'
import { bearerGuard, commandRoutes } from '../command/routes.ts'
import type { UnlockDesk } from '../command/unlock.ts'
import { acknowledge } from '../enroll/commit.ts'
import { HttpError } from '../http/error.ts'
import { serveHttp } from '../http/server.ts'
import { addLogSink, describe, recentLines, uptimeS } from '../system/log.ts'
import { rootProcesses } from '../system/processes.ts'
import { identityProtection } from '../trust/identity.ts'
import { known, type Machine } from './machine.ts'
import type { Services } from './services.ts'

const port = 9998

/** An enrolled node as its command server sees it: parts appear as the boot goes on. */
export type Node = {
  readonly machine: Machine
  record: NodeRecord
  unlock?: UnlockDesk | undefined
  services?: Services
  /** Stops everything in order and ends the machine. */
  readonly stop: (how: 'restart' | 'power-off') => void
}

/** Serves port 9998 on the WireGuard address, from before the unlock until the end. */
export function serveCommands(node: Node): Promise<Server> {
  const token = node.record.agentToken
  return serveHttp({
    address: node.record.wireguard.address,
    port,
    guard: bearerGuard(token),
    routes: commandRoutes({
      token,
      status: () => statusOf(node),
      unlock: () => node.unlock,
      acknowledge: request => acknowledgeAgain(node, request),
      command: command => carryOut(node, command),
      logs: (service, lines) => readLog(node, service, lines),
      followLogs: (service, signal) => follow(node, service, signal),
      logNames: () => ['agent', ...(node.services?.logs.keys() ?? [])],
    }),
  })
}

const rootProcessesMax = 64

async function statusOf(node: Node): Promise<Status> {
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
    identity: identityProtection(record),
    secureBoot: firmware.secureBoot,
    watchdog: machine.watchdog?.kind ?? 'none',
    uptimeS: Math.round(uptimeS()),
    ...(firmware.lastPanic === undefined ? {} : { lastPanic: firmware.lastPanic }),
    rootProcesses: (await rootProcesses()).slice(0, rootProcessesMax),
    services: serviceStates(node),
  }
}

function serviceStates(node: Node): Status['services'] {
  const all = Object.entries(node.services?.supervisor.status() ?? {})
  return Object.fromEntries(
    all.map(([name, { forMs, ...rest }]) => [
      name,
      { ...rest, since: formatTime(new Date(Date.now() - forMs)) },
    ]),
  )
}

function acknowledgeAgain(node: Node, request: AcknowledgementRequest): { box: string } {
  const { record } = node
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

type Act = (node: Node, service: string) => Promise<object>

/** What the bearer token may do. The rest wants an order of the owner. */
const acts: Readonly<Partial<Record<Command['action'], Act>>> = {
  status: statusOf,
  restart: async (node, service) => {
    await supervisorOf(node).restart(service)
    return { status: 'restarted', service }
  },
  stop: async (node, service) => {
    await supervisorOf(node).stop(service)
    return { status: 'stopped', service }
  },
  start: (node, service) => {
    supervisorOf(node).start(service)
    return Promise.resolve({ status: 'started', service })
  },
  reboot: node => {
    node.stop('restart')
    return Promise.resolve({ status: 'rebooting' })
  },
}

async function carryOut(node: Node, { action, service }: Command): Promise<object> {
  const act = acts[action]
  if (act === undefined)
    throw new HttpError(
      403,
      `'${action}' needs an order signed by the owner`,
      'this version does not carry it out',
    )
  if (['restart', 'stop', 'start'].includes(action)) checkService(node, service)
  return act(node, service ?? '')
}

function checkService(node: Node, service: string | undefined): void {
  if (service === undefined) throw new HttpError(400, 'which service?', 'send {"action":…,"service":…}')
  const names = Object.keys(supervisorOf(node).status())
  if (!names.includes(service)) throw new HttpError(404, 'no such service', `there are: ${names.join(', ')}`)
}

function supervisorOf(node: Node) {
  if (node.services === undefined)
    throw new HttpError(409, 'no services run yet', `the node is ${node.machine.state.current().name}`)
  return node.services.supervisor
}

async function readLog(node: Node, service: string, lines: number): Promise<string> {
  const found = service === 'agent' ? recentLines(lines) : await node.services?.logs.get(service)?.tail(lines)
  return (found ?? []).map(line => `${line}\n`).join('')
}

function follow(node: Node, service: string, signal: AbortSignal): AsyncIterable<string> {
  return node.services?.logs.get(service)?.follow(signal) ?? followAgent(signal)
}

const followedMax = 1000

async function* followAgent(signal: AbortSignal): AsyncGenerator<string> {
  const lines: string[] = []
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
