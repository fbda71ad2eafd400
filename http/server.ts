import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answer, refuse } from './answer.ts'
import { HttpError } from './error.ts'
import { http, https } from './late.ts'
import { turnsOf } from './turns.ts'

/** A request from its first byte to the end of its answer; what becomes known on the way is noted here. */
export type Visit = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The route's name in its table, once it is found. */
  route?: string
  /** Who asks, once the route's `admit` knows. */
  who?: string
  /** What is asked for, in a word, once a route that does several things has read it. */
  what?: string
}

/** A request before its body is read. */
export type Head = {
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  /** What stands in the path for the `:name`s of the route. */
  readonly params: Readonly<Record<string, string>>
  /** The address that asks. */
  readonly from: string
  /** Aborted when the connection has ended, or the answer. */
  readonly signal: AbortSignal
  readonly visit: Visit
}

export type Request = Head & {
  /** The whole body, at most as long as the route allows. */
  readonly body: Buffer
}

/** What a handler answers: bytes or text as they are, else an object as JSON; `type` says otherwise. */
export type Reply = {
  readonly status?: number
  readonly type?: string
  readonly body: string | Buffer | object
  readonly headers?: Readonly<Record<string, string>>
  /** Called when the reply is out, or its connection gone: the body may be wiped then. */
  readonly sent?: () => void
}

export type Route = {
  readonly bodyBytesMax?: number
  /** Runs before the body is read; throws HttpError to refuse. */
  readonly admit?: (head: Head) => void | Promise<void>
  readonly handle: (request: Request) => Promise<Reply> | Reply
  /** For replies without an end: asked before `handle`; true when it wrote to the response itself. */
  readonly stream?: (request: Request, response: ServerResponse) => Promise<boolean>
}

/** Routes by `METHOD /path`; `:name` in a path stands for one part of it, see `find-route.ts`. */
export type Routes = Readonly<Record<string, Route>>

export type Limits = {
  readonly connectionsMax: number
  /** So that one address cannot hold them all; who calls a Unix socket has none, and counts as one. */
  readonly connectionsPerAddressMax: number
  /** Of a TLS handshake, and then of the headers. */
  readonly headersMs: number
  /** Of headers and body. */
  readonly requestMs: number
  /** A connection on which nothing moves for so long is cut; 0 for never. */
  readonly idleMs: number
  /** One request is answered at a time. After the last of so many, and after a refusal, the connection ends. */
  readonly requestsPerConnection: number
  /** How long an answered connection waits for the next request to begin; its headers have `headersMs` besides. */
  readonly keptMs: number
}

const fallback: Limits = {
  connectionsMax: 64,
  connectionsPerAddressMax: 32,
  headersMs: 5000,
  requestMs: 10_000,
  idleMs: 0,
  requestsPerConnection: 1,
  keptMs: 1000,
}

/** A TCP port of an address, or the path of a Unix socket that is not there yet. */
export type Place = { readonly address: string; readonly port: number } | { readonly path: string }

export type Listener = Place & {
  readonly routes: Routes
  /** PEM; without, plain HTTP is spoken. */
  readonly tls?: { readonly key: Buffer; readonly certificate: string }
  readonly limits?: Partial<Limits>
  /** Runs before each route; throws HttpError to refuse. */
  readonly guard?: (request: IncomingMessage, path: string) => void
  /** Takes connections that want another protocol; without it they are requests like others. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Hears of each request, before the guard. */
  readonly watch?: (visit: Visit) => void
  /** Hears of each refusal, before it is answered. */
  readonly refused?: (visit: Visit, why: HttpError) => void
  /** Hears of connections that were cut before they became a request. */
  readonly dropped?: (why: 'connections' | 'address' | 'tls') => void
  /** Hears of what went wrong and is not for the caller to know, and at which request, where it was at one. */
  readonly report: (error: unknown, visit?: Visit) => void
}

/** An HTTP or HTTPS server with limits on everything: connections, header and request time, header and body size. */
export async function serveHttp(listener: Listener): Promise<Server> {
  const limits = { ...fallback, ...listener.limits }
  const server = newServer(listener, limits)
  server.maxConnections = limits.connectionsMax
  server.keepAliveTimeout = limits.keptMs
  server.timeout = limits.idleMs
  // What comes after the last is never carried out.
  server.maxRequestsPerSocket = limits.requestsPerConnection
  limitAddresses(server, limits.connectionsPerAddressMax, listener.dropped)
  server.on('drop', () => listener.dropped?.('connections'))
  server.on('tlsClientError', () => listener.dropped?.('tls'))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if ('path' in listener) server.listen(listener.path, resolve)
    else server.listen(listener.port, listener.address, resolve)
  })
  // accept(2) passes on what went wrong in the network; unheard, it would end the process.
  server.removeAllListeners('error').on('error', error => {
    listener.report(error)
  })
  return server
}

function newServer(listener: Listener, limits: Limits): Server {
  const { headersMs, requestMs } = limits
  const options = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: 8192,
  }
  const server = bareServer(listener.tls, options)
  const turns = turnsOf(limits)
  const hear = (request: IncomingMessage, response: ServerResponse, refusal?: HttpError) => {
    const visit: Visit = { request, response }
    const turn = turns.take(request.socket, response)
    response.shouldKeepAlive &&= turn === 'one of more' && server.listening
    response.once('close', () => {
      if (!server.listening) server.closeIdleConnections()
    })
    listener.watch?.(visit)
    answer(listener, visit, turn === 'too early' ? tooEarly() : refusal).catch((error: unknown) =>
      refuse(visit, error, listener),
    )
  }
  server.on('request', (request, response) => {
    hear(request, response)
  })
  // Node would answer by itself, unseen, and take a body of any length.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    hear(request, response, new HttpError(417, 'an expectation that is not known', 'send no expect header'))
  })
  const { upgrade } = listener
  if (upgrade !== undefined)
    server.on('upgrade', (request, socket, head) => {
      turns.end(request.socket)
      upgrade(request, socket, head)
    })
  return server
}

function bareServer(
  tls: Listener['tls'],
  options: ServerOptions & { readonly headersTimeout: number },
): Server {
  if (tls === undefined) return http().createServer(options)
  const { key, certificate } = tls
  const { headersTimeout: handshakeTimeout } = options
  return https().createServer({ ...options, key, cert: certificate, minVersion: 'TLSv1.3', handshakeTimeout })
}

function tooEarly(): HttpError {
  return new HttpError(400, 'a request before the answer to another', 'wait for each answer')
}

function limitAddresses(server: Server, max: number, dropped: Listener['dropped']): void {
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
    if (count <= max) return
    dropped?.('address')
    socket.destroy()
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
