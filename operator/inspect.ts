import { z } from 'zod'
import { commandActions, commandSchema } from '../protocol/requests.ts'
import type { RekeyStatus, ServiceStatus, Status } from '../protocol/status.ts'
import { askNode } from './agent.ts'
import { optional } from './command.ts'
import type { Command, Input } from './command.ts'
import { Failure, printable } from './failure.ts'
import { columns } from './help.ts'
import { askStatus, ownerOrder } from './owner-order.ts'
import { reachOptions, withNode } from './reach.ts'
import type { Reached } from './reach.ts'
import { shareRows } from './share-text.ts'
import { walletInputOf } from './sign-in.ts'
import type { World } from './world.ts'

export const nodeStatus: Command = {
  help: 'say how a node is: state, version, services',
  options: reachOptions,
  examples: [
    'orama node status --node-ip 10.0.0.1',
    'orama node status --json',
    'orama node status --env home --node-ip 10.0.0.2',
  ],
  async run(world, input) {
    const status = await withNode(world, input, reached => askStatus(world, reached))
    return { json: status, text: printable(describeStatus(status)) }
  },
}

// `leave` has a command of its own; `update` is a word for later versions.
const actions = commandActions.filter(action => action !== 'leave' && action !== 'update')

export const nodeCommand: Command = {
  help: `tell a node to do something: ${actions.join(', ')}`,
  words: ['[ACTION]', '[SERVICE]'],
  options: {
    action: { help: 'the same as ACTION', value: 'ACTION' },
    service: { help: 'the same as SERVICE', value: 'NAME' },
    mode: { help: "for seccomp: 'enforce', or 'audit', which your wallet signs", value: 'MODE' },
    ...reachOptions,
  },
  examples: [
    'orama node command restart rqlite --node-ip 10.0.0.1',
    'orama node command reboot',
    'orama node command --action seccomp --service rqlite --mode audit',
  ],
  async run(world, input) {
    const command = readCommand(input)
    return withNode(world, input, async reached => {
      const body = JSON.stringify(await withOrder(world, input, { command, reached }))
      const question = { method: 'POST', ...reached.way('command'), body } as const
      const answer = await askNode(world, { ...question, answer: z.json(), timeoutMs: 60_000 })
      return { json: answer, text: `Node ${reached.name}: ${command.action} done` }
    })
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
  { command, reached }: { readonly command: NodeOrder; readonly reached: Reached },
): Promise<NodeOrder> {
  const { mode, service } = command
  if (mode !== 'audit' || service === undefined) return command
  const wanted = { action: 'seccomp', values: { mode, service } } as const
  return {
    ...command,
    order: await ownerOrder(world, await walletInputOf(world, input), { reached, wanted }),
  }
}

function describeStatus(status: Status): string {
  const { state, since, waitingFor, lastPanic } = status
  const facts: (readonly [string, string])[] = [
    ['node', status.nodeId ?? 'not enrolled'],
    ['state', `${state} since ${since}${waitingFor === undefined ? '' : `, waiting for ${waitingFor}`}`],
    ['version', `${status.version} (${status.buildKind}${status.test ? ', test' : ''}), slot ${status.slot}`],
    ['identity', status.identity],
    ['secure boot', status.secureBoot ? 'on' : 'off'],
    ['watchdog', status.watchdog],
    ['root processes', ['the agent', ...status.rootProcesses].join(', ')],
    ['up', `${Math.floor(status.uptimeS)} s`],
  ]
  if (status.shares !== undefined) facts.push(...shareRows(status.shares))
  if (status.audit !== undefined) facts.push(['audit', describeAudit(status)])
  if (status.rekey !== undefined) facts.push(['rekey', describeRekey(status.rekey)])
  if (lastPanic !== undefined) facts.push(['last panic', lastPanic])
  const services = Object.entries(status.services).map(([name, service]): [string, string] => [
    `service ${name}`,
    describeService(service),
  ])
  return columns([...facts, ...services]).join('\n')
}

function describeRekey({ state, percent, why }: RekeyStatus): string {
  const more = {
    running: '',
    waiting: ', goes on when the disk is open',
    stopped: ', goes on at the next start',
  }
  return `${percent} %${more[state]}${why === undefined ? '' : ` (${why})`}`
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
