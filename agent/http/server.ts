import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { log } from '../system/log.ts'
import { readBody } from './body.ts'
import { HttpError } from './error.ts'

export type Request = {
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  /** The whole body, at most as long as the route allows. */
  readonly body: Buffer
}

/** What a handler answers: JSON unless `type` says otherwise; `stream` writes the body itself. */
export type Reply = {
  readonly status?: number
  readonly type?: string
  readonly body: string | object
  readonly headers?: Readonly<Record<string, string>>
}

export type Route = {
  readonly bodyBytesMax?: number
  readonly handle: (request: Request) => Promise<Reply> | Reply
  /** For replies without an end: called instead of `handle`, writes to the response itself. */
  readonly stream?: (request: Request, response: ServerResponse) => Promise<boolean>
}

/** Routes by `METHOD /path`. */
export type Routes = Readonly<Record<string, Route>>

export type Listener = {
  readonly address: string
  readonly port: number
  readonly routes: Routes
  /** Runs before each route; throws HttpError to refuse. */
  readonly guard?: (request: IncomingMessage, path: string) => void
}

const connectionsMax = 64
const headersMs = 5000
const requestMs = 10_000

/** An HTTP server with limits on everything: connections, header and request time, header and body size. */
export async function serveHttp(listener: Listener): Promise<Server> {
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 8192,
    },
    (request, response) => {
      answer(listener, request, response).catch((error: unknown) => {
        sendError(response, error)
      })
    },
  )
  server.maxConnections = connectionsMax
  server.keepAliveTimeout = 1000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listener.port, listener.address, resolve)
  })
  return server
}

/** Stops listening and ends all connections, after those that are being answered have had their reply. */
export async function closeHttp(server: Server): Promise<void> {
  server.closeIdleConnections()
  const closed = new Promise(resolve => server.close(resolve))
  const force = setTimeout(() => {
    server.closeAllConnections()
  }, 2000)
  await closed
  clearTimeout(force)
}

async function answer(listener: Listener, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://node')
  listener.guard?.(request, url.pathname)
  const route = findRoute(listener.routes, request.method ?? '', url.pathname)
  const body = await readBody(request, route.bodyBytesMax ?? 0)
  const parsed = { url, headers: request.headers, body }
  if (route.stream !== undefined && (await route.stream(parsed, response))) return
  send(response, await route.handle(parsed))
}

function findRoute(routes: Routes, method: string, path: string): Route {
  const route = routes[`${method} ${path}`]
  if (route !== undefined && Object.hasOwn(routes, `${method} ${path}`)) return route
  const others = Object.keys(routes).filter(key => key.endsWith(` ${path}`))
  if (others.length > 0) throw new HttpError(405, 'method not allowed', `use ${others.join(' or ')}`)
  throw new HttpError(404, 'no such route', `routes: ${Object.keys(routes).join(', ')}`)
}

function send(response: ServerResponse, reply: Reply): void {
  const text = typeof reply.body === 'string' ? reply.body : `${JSON.stringify(reply.body)}\n`
  const fallback = typeof reply.body === 'string' ? 'text/plain; charset=utf-8' : 'application/json'
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.type ?? fallback,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    connection: 'close',
    ...reply.headers,
  })
  response.end(text)
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (error instanceof HttpError) {
    send(response, { status: error.status, body: { error: error.message, hint: error.hint } })
    return
  }
  log(`http: ${String(error)}`)
  send(response, { status: 500, body: { error: 'internal error', hint: 'the log of the agent says more' } })
}
