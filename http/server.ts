import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { discardBody, readBody } from './body.ts'
import { HttpError } from './error.ts'
import { http } from './late.ts'

export type Request = {
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  /** The whole body, at most as long as the route allows. */
  readonly body: Buffer
  /** The address that asks. */
  readonly from: string
}

/** What a handler answers: bytes for a Buffer, JSON for another object, else text; `type` says otherwise. */
export type Reply = {
  readonly status?: number
  readonly type?: string
  readonly body: string | object | Buffer
  readonly headers?: Readonly<Record<string, string>>
  /** Called when the reply is out, or its connection gone: the body may be wiped then. */
  readonly sent?: () => void
}

export type Route = {
  readonly bodyBytesMax?: number
  readonly handle: (request: Request) => Promise<Reply> | Reply
  /** For replies without an end: asked before `handle`; true when it wrote to the response itself. */
  readonly stream?: (request: Request, response: ServerResponse) => Promise<boolean>
}

/** Routes by `METHOD /path`. */
export type Routes = Readonly<Record<string, Route>>

/** A TCP port of an address, or the path of a Unix socket that is not there yet. */
export type Place = { readonly address: string; readonly port: number } | { readonly path: string }

export type Listener = Place & {
  readonly routes: Routes
  /** Runs before each route; throws HttpError to refuse. */
  readonly guard?: (request: IncomingMessage, path: string) => void
  /** Hears of what went wrong and is not for the caller to know. */
  readonly report: (error: unknown) => void
}

const connectionsMax = 64
/** So that one address cannot hold them all; who calls a Unix socket has none, and counts as one. */
const connectionsPerAddressMax = 32
const headersMs = 5000
const requestMs = 10_000
const discardBytesMax = 1024 * 1024

/** An HTTP server with limits on everything: connections, header and request time, header and body size. */
export async function serveHttp(listener: Listener): Promise<Server> {
  const server = http().createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 8192,
    },
    (request, response) => {
      answer(listener, request, response).catch((error: unknown) =>
        refuse({ request, response, report: listener.report }, error),
      )
    },
  )
  server.maxConnections = connectionsMax
  server.keepAliveTimeout = 1000
  // Every reply says `connection: close`; what was pipelined behind the first request is never carried out.
  server.maxRequestsPerSocket = 1
  limitAddresses(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if ('path' in listener) server.listen(listener.path, resolve)
    else server.listen(listener.port, listener.address, resolve)
  })
  // accept(2) passes on what went wrong in the network; unheard, it would end the process.
  server.removeAllListeners('error').on('error', listener.report)
  return server
}

function limitAddresses(server: Server): void {
  const open = new Map<string, number>()
  server.on('connection', socket => {
    const from = socket.remoteAddress ?? ''
    const count = (open.get(from) ?? 0) + 1
    open.set(from, count)
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1
      if (left > 0) open.set(from, left)
      else open.delete(from)
    })
    if (count > connectionsPerAddressMax) socket.destroy()
  })
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
  const url = parseUrl(request.url ?? '')
  listener.guard?.(request, url.pathname)
  // Node leaves the body of a reply to HEAD out by itself.
  const head = request.method === 'HEAD'
  const route = findRoute(listener.routes, head ? 'GET' : (request.method ?? ''), url.pathname)
  const body = await readBody(request, route.bodyBytesMax ?? 0)
  const parsed = { url, headers: request.headers, body, from: request.socket.remoteAddress ?? '' }
  if (!head && route.stream !== undefined && (await route.stream(parsed, response))) return
  send(response, await route.handle(parsed))
}

function parseUrl(target: string): URL {
  const url = URL.parse(target, 'http://node')
  if (url === null) throw new HttpError(400, 'the address makes no sense', 'send a path such as /')
  return url
}

function findRoute(routes: Routes, method: string, path: string): Route {
  const route = routes[`${method} ${path}`]
  if (route !== undefined && Object.hasOwn(routes, `${method} ${path}`)) return route
  const keys = Object.keys(routes)
  const others = keys.filter(key => key.slice(key.indexOf(' ') + 1) === path)
  if (others.length === 0) throw new HttpError(404, 'no such route', `routes: ${keys.join(', ')}`)
  const error = new HttpError(405, 'method not allowed', `use ${others.join(' or ')}`)
  error.headers = { allow: others.map(key => key.slice(0, key.indexOf(' '))).join(', ') }
  throw error
}

function send(response: ServerResponse, reply: Reply): void {
  response.end(writeReply(response, reply))
  // Who has gone before their reply was there closes nothing any more.
  if (response.closed) reply.sent?.()
  else if (reply.sent !== undefined) response.once('close', reply.sent)
}

/** Writes the head of a reply and returns its body. */
function writeReply(response: ServerResponse, reply: Reply): string | Buffer {
  const { content, type } = contentOf(reply.body)
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.type ?? type,
    'content-length': Buffer.byteLength(content),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...reply.headers,
  })
  return content
}

function contentOf(body: Reply['body']): { readonly content: string | Buffer; readonly type: string } {
  if (typeof body === 'string') return { content: body, type: 'text/plain; charset=utf-8' }
  if (Buffer.isBuffer(body)) return { content: body, type: 'application/octet-stream' }
  return { content: `${JSON.stringify(body)}\n`, type: 'application/json' }
}

type Refused = Pick<Listener, 'report'> & {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Answers with an error; never throws, for nobody is left who could hear it. */
async function refuse({ request, response, report }: Refused, error: unknown): Promise<void> {
  try {
    if (response.headersSent) throw new Error('the reply broke off', { cause: error })
    response.write(writeReply(response, errorReply(error, report)))
    await discardBody(request, discardBytesMax)
    response.end()
  } catch (cause) {
    if (!request.destroyed) report(cause)
    response.destroy()
  }
}

function errorReply(error: unknown, report: Listener['report']): Reply {
  if (error instanceof HttpError)
    return {
      status: error.status,
      body: { error: error.message, hint: error.hint },
      headers: error.headers,
    }
  report(error)
  return { status: 500, body: { error: 'internal error', hint: 'the log says more' } }
}
