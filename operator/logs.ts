import { logLines } from '../protocol/requests.ts'
import { agentUrl, bearer, refusal, waitingForNode } from './agent.ts'
import { integer, isSet, optional } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { printable } from './failure.ts'
import type { HttpRequest } from './http.ts'
import { findEnrolled, nodeOptions } from './node-file.ts'
import type { World } from './world.ts'

export const nodeLogs: Command = {
  help: "print a node's log: the agent's or a service's",
  options: {
    ...nodeOptions,
    service: { help: "service name, or 'agent' (default)", value: 'NAME' },
    lines: {
      help: `how many of the newest lines, up to ${logLines.max} (default: ${logLines.fallback})`,
      value: 'N',
    },
    follow: { help: 'go on printing until interrupted' },
  },
  examples: ['orama node logs --node-ip 10.0.0.1', 'orama node logs --service rqlite --lines 20 --follow'],
  run: printLogs,
}

const logBytesMax = 16 * 1024 * 1024

async function printLogs(world: World, input: Input): Promise<Output> {
  const node = await findEnrolled(world, input)
  const lines = integer(input, 'lines', logLines)
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
  if (isSet(input, 'follow')) return followLogs(world, request, isSet(input, 'json') ? 'json' : 'text')
  const answer = await waitingForNode(world, request, what => world.http(what))
  if (answer.status !== 200) throw refusal(answer)
  const text = printable(answer.body).trimEnd()
  return { json: { lines: text.split('\n') }, text }
}

async function followLogs(world: World, request: HttpRequest, how: 'json' | 'text'): Promise<Output> {
  const lines = lineSplitter(line => {
    world.out(`${JSON.stringify({ line: printable(line) })}\n`)
  })
  try {
    const answer = await world.follow(request, text => {
      if (how === 'json') lines.add(text)
      else world.out(printable(text))
    })
    if (answer.status !== 200) throw refusal(answer)
  } finally {
    lines.end()
  }
  return { json: { ended: true }, text: '' }
}

// A node cuts its lines at 8 KiB; what claims to be longer is printed in pieces, not kept.
const lineCharactersMax = 64 * 1024

/** Hands over the lines of a text that comes in pieces; `end` says that the last one is whole as well. */
function lineSplitter(onLine: (line: string) => void): { add: (text: string) => void; end: () => void } {
  let rest = ''
  const end = () => {
    if (rest !== '') onLine(rest)
    rest = ''
  }
  const add = (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
    if (rest.length > lineCharactersMax) end()
  }
  return { add, end }
}
