import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  acknowledgementRequestSchema,
  type AcknowledgementRequest,
  type Command,
  commandSchema,
  logLines,
} from '../../protocol/requests.ts'
import { unlockRequestSchema } from '../../protocol/unlock.ts'
import { type News, newsBytesMax, newsSchema } from '../../protocol/cluster/news.ts'
import type { Status } from '../../protocol/status.ts'
import { HttpError } from '../../http/error.ts'
import { parseJson } from '../../http/body.ts'
import type { Reply, Request, Routes } from '../../http/server.ts'
import { metricsText } from './metrics.ts'
import type { UnlockDesk } from './unlock.ts'

/** What the routes of port 9998 need of the node; the world of their tests. */
export type NodeView = {
  readonly token: string
  readonly status: () => Promise<Status>
  /** Present while the data is locked. */
  readonly unlock: () => UnlockDesk | undefined
  /** The sealed acknowledgement of the enrollment, by an order of the owner. */
  readonly acknowledge: (request: AcknowledgementRequest) => { readonly box: string }
  readonly command: (command: Command) => Promise<object>
  /** Takes news of the cluster, a new member's record, say, from an address; returns what this node knows. */
  readonly news: (news: News, from: string) => Promise<News>
  /** The newest lines; throws HttpError for an unknown service. */
  readonly logs: (service: string, lines: number) => Promise<string>
  /** The newest lines and then all that come, until the signal is aborted. */
  readonly followLogs: (service: string, lines: number, signal: AbortSignal) => AsyncIterable<string>
  readonly logNames: () => readonly string[]
}

const bodyBytesMax = 32 * 1024

/** The routes of port 9998, bound to the WireGuard address. */
export function commandRoutes(node: NodeView): Routes {
  return {
    'GET /v1/agent/status': { handle: async () => ({ body: await node.status() }) },
    'GET /v1/agent/health': { handle: async () => health(await node.status()) },
    'GET /v1/agent/metrics': {
      handle: async () => ({
        type: 'text/plain; version=0.0.4; charset=utf-8',
        body: metricsText(await node.status()),
      }),
    },
    'GET /v1/agent/logs': {
      handle: request => showLogs(node, request),
      stream: (request, response) => followLogs(node, request, response),
    },
    'POST /v1/agent/command': {
      bodyBytesMax,
      handle: async ({ body, visit }) => {
        const command = parseJson(body, commandSchema)
        visit.what = command.action
        return { body: await node.command(command) }
      },
    },
    'POST /v1/agent/news': {
      bodyBytesMax: newsBytesMax,
      handle: async ({ body, from }) => ({ body: await node.news(parseJson(body, newsSchema), from) }),
    },
    'GET /v1/agent/unlock': { handle: async () => ({ body: await desk(node).offer() }) },
    'POST /v1/agent/unlock': {
      bodyBytesMax,
      handle: async request => {
        await desk(node).accept(parseJson(request.body, unlockRequestSchema))
        return { body: { status: 'unlocked' } }
      },
    },
    'POST /v1/agent/acknowledgement': {
      bodyBytesMax,
      handle: request => ({ body: node.acknowledge(parseJson(request.body, acknowledgementRequestSchema)) }),
    },
  }
}

/** Routes that carry an order signed by the owner, or lead to one: the bearer token has no say there. */
const orderPaths = new Set(['/v1/agent/unlock', '/v1/agent/acknowledgement'])

/** Refuses what has no right token, in constant time. */
export function bearerGuard(token: string): (request: IncomingMessage, path: string) => void {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const wanted = digest(`Bearer ${token}`)
  return (request, path) => {
    if (orderPaths.has(path)) return
    if (timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)) return
    throw new HttpError(401, 'unauthorized', 'send Authorization: Bearer with the agent token of this node')
  }
}

function desk(node: NodeView): UnlockDesk {
  const found = node.unlock()
  if (found === undefined) throw new HttpError(409, 'the data is open already', 'there is nothing to unlock')
  return found
}

function health(status: Status): Reply {
  const services = Object.fromEntries(
    Object.entries(status.services).map(([n, s]) => [n, s.state === 'ready']),
  )
  const healthy = status.state === 'ready'
  return { status: healthy ? 200 : 503, body: { healthy, state: status.state, services } }
}

type LogQuery = { readonly service: string; readonly lines: number; readonly follow: boolean }

function logQuery(node: NodeView, request: Request): LogQuery {
  const query = request.url.searchParams
  const service = query.get('service') ?? 'agent'
  if (!node.logNames().includes(service))
    throw new HttpError(404, 'no such log', `service is one of: ${node.logNames().join(', ')}`)
  const text = query.get('lines') ?? String(logLines.fallback)
  const lines = /^\d{1,4}$/.test(text) ? Number(text) : 0
  const { min, max } = logLines
  if (lines < min || lines > max)
    throw new HttpError(400, 'bad number of lines', `lines is a whole number from ${min} to ${max}`)
  return { service, lines, follow: ['1', 'true'].includes(query.get('follow') ?? '') }
}

async function showLogs(node: NodeView, request: Request): Promise<Reply> {
  const { service, lines } = logQuery(node, request)
  return { body: await node.logs(service, lines) }
}

async function followLogs(node: NodeView, request: Request, response: ServerResponse): Promise<boolean> {
  const { service, lines, follow } = logQuery(node, request)
  if (!follow) return false
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.flushHeaders()
  for await (const line of node.followLogs(service, lines, request.signal))
    // A reader that is slower than the log is waited for; what it misses is the log's to drop.
    if (!response.write(`${line}\n`))
      await once(response, 'drain', { signal: request.signal }).catch(() => undefined)
  response.end()
  return true
}
