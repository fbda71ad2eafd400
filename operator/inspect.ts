import { z } from 'zod'
import { commandActions, commandSchema } from '../protocol/requests.ts'
import { statusSchema } from '../protocol/status.ts'
import type { ServiceStatus, Status } from '../protocol/status.ts'
import { agentUrl, askNode, bearer, refusal } from './agent.ts'
import { integer, isSet, optional } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { Failure, printable } from './failure.ts'
import { columns } from './help.ts'
import { findEnrolled, nodeOptions } from './node-file.ts'
import type { World } from './world.ts'

export const nodeStatus: Command = {
  help: 'say how a node is: state, version, services',
  options: nodeOptions,
  examples: ['orama node status --node-ip 10.0.0.1', 'orama node status --json'],
  async run(world, input) {
    const node = await findEnrolled(world, input)
    const url = agentUrl(node, 'status')
    const status = await askNode(world, { method: 'GET', url, headers: bearer(node), answer: statusSchema })
    return { json: status, text: printable(describeStatus(status)) }
  },
}

export const nodeLogs: Command = {
  help: "print a node's log: the agent's or a service's",
  options: {
    ...nodeOptions,
    service: { help: "service name, or 'agent' (default)", value: 'NAME' },
    lines: { help: 'how many of the newest lines (default: 100)', value: 'N' },
    follow: { help: 'go on printing until interrupted' },
  },
  examples: ['orama node logs --node-ip 10.0.0.1', 'orama node logs --service rqlite --lines 20 --follow'],
  run: printLogs,
}

export const nodeCommand: Command = {
  help: `tell a node to do something: ${commandActions.join(', ')}`,
  words: ['ACTION', '[SERVICE]'],
  options: nodeOptions,
  examples: ['orama node command restart rqlite --node-ip 10.0.0.1', 'orama node command reboot'],
  async run(world, input) {
    const command = readCommand(input)
    const node = await findEnrolled(world, input)
    const question = { method: 'POST', url: agentUrl(node, 'command'), headers: bearer(node) } as const
    const body = JSON.stringify(command)
    const answer = await askNode(world, { ...question, body, answer: z.json(), timeoutMs: 60_000 })
    return { json: answer, text: `Node ${node.nodeId}: ${command.action} done` }
  },
}

const logBytesMax = 16 * 1024 * 1024

async function printLogs(world: World, input: Input): Promise<Output> {
  const node = await findEnrolled(world, input)
  const lines = integer(input, 'lines', { min: 1, max: 100_000, fallback: 100 })
  const query = new URLSearchParams({ service: optional(input, 'service') ?? 'agent', lines: String(lines) })
  if (isSet(input, 'follow')) query.set('follow', 'true')
  const url = `${agentUrl(node, 'logs')}?${query.toString()}`
  const request = {
    method: 'GET',
    url,
    headers: bearer(node),
    timeoutMs: 30_000,
    bytesMax: logBytesMax,
  } as const
  if (isSet(input, 'follow')) return followLogs(world, request)
  const answer = await world.http(request)
  if (answer.status !== 200) throw refusal(answer)
  const text = printable(answer.body).trimEnd()
  return { json: { lines: text.split('\n') }, text }
}

async function followLogs(world: World, request: Parameters<World['follow']>[0]): Promise<Output> {
  const answer = await world.follow(request, text => {
    world.out(printable(text))
  })
  if (answer.status !== 200) throw refusal(answer)
  return { json: { ended: true }, text: '' }
}

function readCommand(input: Input): z.infer<typeof commandSchema> {
  const [action, service, ...rest] = input.words
  const parsed = commandSchema.safeParse({ action, ...(service === undefined ? {} : { service }) })
  if (parsed.success && rest.length === 0) return parsed.data
  throw new Failure('usage', 'Cannot read the action', {
    hint: `ACTION is one of: ${commandActions.join(', ')}`,
  })
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
  if (lastPanic !== undefined) facts.push(['last panic', lastPanic])
  const services = Object.entries(status.services).map(([name, service]): [string, string] => [
    `service ${name}`,
    describeService(service),
  ])
  return columns([...facts, ...services]).join('\n')
}

function describeService(service: ServiceStatus): string {
  const { state, since, restarts, lastExit } = service
  const exit = lastExit === undefined ? '' : `, last exit: ${lastExit}`
  return `${state} since ${since}, ${restarts} restarts${exit}`
}
