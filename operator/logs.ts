import { logLines } from '../protocol/requests.ts'
import { refusal, waitingForNode } from './agent.ts'
import type { Asked } from './agent.ts'
import { integer, isSet, optional } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { printable } from './failure.ts'
import type { HttpRequest } from './http.ts'
import { reachOptions, withNode } from './reach.ts'
import type { World } from './world.ts'

export const nodeLogs: Command = {
  help: "print a node's log: the agent's or a service's",
  options: {
    ...reachOptions,
    service: { help: "service name, or 'agent' (default)", value: 'NAME' },
    lines: {
      help: `how many of the newest lines, up to ${logLines.max} (default: ${logLines.fallback})`,
      value: 'N',
    },
    follow: { help: 'go on printing until interrupted' },
  },
  examples: [
    'orama node logs --node-ip 10.0.0.1',
    'orama node logs --service rqlite --lines 20 --follow',
    'orama node logs --env home --node-ip 10.0.0.2',
  ],
  run: printLogs,
}

const logBytesMax = 16 * 1024 * 1024

async function printLogs(world: World, input: Input): Promise<Output> {
  const lines = integer(input, 'lines', logLines)
  const query = { service: optional(input, 'service') ?? 'agent', lines: String(lines) }
  return withNode(world, input, async reached => {
    const more = isSet(input, 'follow') ? { follow: 'true' } : {}
    const { who, ...way } = reached.way('logs', { ...query, ...more })
    const request = { method: 'GET', ...way, timeoutMs: 30_000, bytesMax: logBytesMax } as const
    const how = isSet(input, 'json') ? 'json' : 'text'
    if (isSet(input, 'follow')) return followLogs(world, { request, who }, how)
    const answer = await waitingForNode(world, request, what => world.http(what))
    if (answer.status !== 200) throw refusal(answer, who)
    const text = printable(answer.body).trimEnd()
    return { json: { lines: text.split('\n') }, text }
  })
}

async function followLogs(
  world: World,
  { request, who }: { readonly request: HttpRequest; readonly who: Asked },
  how: 'json' | 'text',
): Promise<Output> {
  const lines = lineSplitter(line => {
    world.out(`${JSON.stringify({ line: printable(line) })}\n`)
  })
  try {
    const answer = await world.follow(request, text => {
      if (how === 'json') lines.add(text)
      else world.out(printable(text))
    })
    if (answer.status !== 200) throw refusal(answer, who)
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
