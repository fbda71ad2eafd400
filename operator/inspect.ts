import { z } from 'zod'
import { commandActions, commandSchema } from '../protocol/requests.ts'
import { statusSchema } from '../protocol/status.ts'
import type { ServiceStatus, Status } from '../protocol/status.ts'
import { agentUrl, askNode, bearer } from './agent.ts'
import { optional } from './command.ts'
import type { Command, Input } from './command.ts'
import { Failure, printable } from './failure.ts'
import { columns } from './help.ts'
import { findEnrolled, nodeOptions, nodesFolder } from './node-file.ts'
import type { EnrolledNode } from './node-file.ts'
import { numbersAheadMax, signOrder } from './order.ts'
import { walletOptions, withWallet } from './wallet.ts'
import type { World } from './world.ts'

export const nodeStatus: Command = {
  help: 'say how a node is: state, version, services',
  options: nodeOptions,
  examples: ['orama node status --node-ip 10.0.0.1', 'orama node status --json'],
  async run(world, input) {
    const node = await findEnrolled(world, input)
    const status = await askStatus(world, node)
    return { json: status, text: printable(describeStatus(status)) }
  },
}

function askStatus(world: World, node: EnrolledNode): Promise<Status> {
  const url = agentUrl(node, 'status')
  return askNode(world, { method: 'GET', url, headers: bearer(node), answer: statusSchema })
}

// The protocol has words for later versions; nodes of this one refuse them always.
const actions = commandActions.filter(action => action !== 'leave' && action !== 'update')

export const nodeCommand: Command = {
  help: `tell a node to do something: ${actions.join(', ')}`,
  words: ['[ACTION]', '[SERVICE]'],
  options: {
    action: { help: 'the same as ACTION', value: 'ACTION' },
    service: { help: 'the same as SERVICE', value: 'NAME' },
    mode: { help: "for seccomp: 'enforce', or 'audit', which your wallet signs", value: 'MODE' },
    ...nodeOptions,
    ...walletOptions,
  },
  examples: [
    'orama node command restart rqlite --node-ip 10.0.0.1',
    'orama node command reboot',
    'orama node command --action seccomp --service rqlite --mode audit',
  ],
  async run(world, input) {
    const command = readCommand(input)
    const node = await findEnrolled(world, input)
    const signed = await withOrder(world, input, { command, node })
    const question = { method: 'POST', url: agentUrl(node, 'command'), headers: bearer(node) } as const
    const body = JSON.stringify(signed)
    const answer = await askNode(world, { ...question, body, answer: z.json(), timeoutMs: 60_000 })
    return { json: answer, text: `Node ${node.nodeId}: ${command.action} done` }
  },
}

type NodeOrder = z.infer<typeof commandSchema>

function readCommand(input: Input): NodeOrder {
  const words = [...input.words]
  const action = optional(input, 'action') ?? words.shift()
  const service = optional(input, 'service') ?? words.shift()
  const mode = optional(input, 'mode')
  const parsed = commandSchema.safeParse({
    action,
    ...(service === undefined ? {} : { service }),
    ...(mode === undefined ? {} : { mode }),
  })
  const complete = (action === 'seccomp') === (mode !== undefined)
  const known = actions.some(word => word === action)
  if (parsed.success && words.length === 0 && complete && known) return parsed.data
  throw new Failure('usage', 'Cannot read the action', {
    hint: `ACTION is one of: ${actions.join(', ')}; seccomp takes a service and --mode enforce or audit`,
  })
}

/** What weakens a sandbox is signed by the owner's wallet, for this node and this once. */
async function withOrder(
  world: World,
  input: Input,
  { command, node }: { readonly command: NodeOrder; readonly node: EnrolledNode },
): Promise<NodeOrder> {
  const { mode, service } = command
  if (mode !== 'audit' || service === undefined) return command
  const { lastOrder: lastNumber = 0 } = await askStatus(world, node)
  if (lastNumber > node.orderNumber + numbersAheadMax)
    throw new Failure('impostor', 'Cannot sign: the node counts its orders too far ahead', {
      hint: 'Nothing was sent',
    })
  const folder = nodesFolder(world, input)
  const { order } = await withWallet(world, input, wallet =>
    signOrder(node, {
      folder,
      wallet,
      now: world.now(),
      action: 'seccomp',
      values: { mode, service },
      lastNumber,
    }),
  )
  return { ...command, order }
}

function describeStatus(status: Status): string {
  const { state, since, waitingFor, lastPanic } = status
  const facts: [string, string][] = [
    ['node', status.nodeId ?? 'not enrolled'],
    ['state', `${state} since ${since}${waitingFor === undefined ? '' : `, waiting for ${waitingFor}`}`],
    ['version', `${status.version} (${status.buildKind}${status.test ? ', test' : ''}), slot ${status.slot}`],
    ['identity', status.identity],
    ['secure boot', status.secureBoot ? 'on' : 'off'],
    ['watchdog', status.watchdog],
    ['root processes', ['the agent', ...status.rootProcesses].join(', ')],
    ['up', `${Math.floor(status.uptimeS)} s`],
  ]
  if (status.audit !== undefined) facts.push(['audit', describeAudit(status)])
  if (lastPanic !== undefined) facts.push(['last panic', lastPanic])
  const services = Object.entries(status.services).map(([name, service]): [string, string] => [
    `service ${name}`,
    describeService(service),
  ])
  return columns([...facts, ...services]).join('\n')
}

function describeAudit({ audit, deniedLost }: Status): string {
  if (audit === 'unavailable') return 'unavailable: denied calls are not counted'
  return deniedLost === undefined ? 'on' : `on, ${deniedLost} records lost`
}

const deniedShownMax = 8

function describeService(service: ServiceStatus): string {
  const { state, since, restarts, lastExit, lastProbe, seccomp, memoryBytes, cpuS } = service
  const denied = Object.entries(service.denied ?? {}).sort(([, a], [, b]) => b - a)
  const parts = [
    `${state} since ${since}`,
    `${restarts} restarts`,
    lastExit === undefined ? [] : `last exit: ${lastExit}`,
    lastProbe === undefined ? [] : `last probe ${lastProbe.good ? 'good' : 'bad'} at ${lastProbe.at}`,
    memoryBytes === undefined ? [] : `${Math.ceil(memoryBytes / 1024 ** 2)} MiB`,
    cpuS === undefined ? [] : `${cpuS.toFixed(1)} s of CPU`,
    seccomp === 'audit' ? 'seccomp only audits' : [],
    denied.length === 0
      ? []
      : `denied: ${denied
          .slice(0, deniedShownMax)
          .map(([name, count]) => `${name} ${count}`)
          .join(' ')}${denied.length > deniedShownMax ? ' …' : ''}`,
  ]
  return parts.flat().join(', ')
}
