import type { ServerResponse } from 'node:http'
import { discardBody, readBody } from './body.ts'
import { HttpError } from './error.ts'
import { findRoute } from './find-route.ts'
import type { Listener, Reply, Visit } from './server.ts'

/**
 * Answers one request by the listener's routes, unless there is a refusal. Throws that, and what its guard or the route
 * throws: `refuse` is for that.
 */
export async function answer(listener: Listener, visit: Visit, refusal?: HttpError): Promise<void> {
  const { request, response } = visit
  const url = parseUrl(request.url ?? '')
  listener.guard?.(request, url.pathname)
  if (refusal !== undefined) throw refusal
  // Node leaves the body of a reply to HEAD out by itself.
  const isHead = request.method === 'HEAD'
  const { route, name, params } = findRoute(
    listener.routes,
    isHead ? 'GET' : (request.method ?? ''),
    url.pathname,
  )
  visit.route = name
  const from = request.socket.remoteAddress ?? ''
  const signal = signalOf(response)
  const head = {
    ...{ url, headers: request.headers, params, from, visit },
    get signal() {
      return signal()
    },
  }
  await route.admit?.(head)
  const parsed = Object.assign(head, { body: await readBody(request, route.bodyBytesMax ?? 0) })
  if (!isHead && route.stream !== undefined && (await route.stream(parsed, response))) return
  send(response, await route.handle(parsed))
}

/** Aborted when the answer has ended, or its connection. Made for who asks: most routes do not. */
function signalOf(response: ServerResponse): () => AbortSignal {
  let gone: AbortController | undefined
  return () => {
    if (gone !== undefined) return gone.signal
    const made = (gone = new AbortController())
    const abort = () => {
      made.abort()
    }
    if (response.closed) abort()
    else response.once('close', abort)
    return made.signal
  }
}

const discardBytesMax = 1024 * 1024

/** Answers with an error; never throws, for nobody is left who could hear it. */
export async function refuse(
  visit: Visit,
  error: unknown,
  { report, refused }: Pick<Listener, 'report' | 'refused'>,
): Promise<void> {
  const { request, response } = visit
  const tell = (cause: unknown) => {
    report(cause, visit)
  }
  try {
    if (response.headersSent) throw new Error('the reply broke off', { cause: error })
    if (error instanceof HttpError) refused?.(visit, error)
    // Of its body something may still come.
    response.shouldKeepAlive = false
    response.write(writeHead(response, errorReply(error, tell)))
    await discardBody(request, discardBytesMax)
    response.end()
  } catch (cause) {
    if (!request.destroyed) tell(cause)
    response.destroy()
  }
}

function parseUrl(target: string): URL {
  const url = URL.parse(target, 'http://node')
  if (url === null) throw new HttpError(400, 'the address makes no sense', 'send a path such as /')
  return url
}

function send(response: ServerResponse, reply: Reply): void {
  response.end(writeHead(response, reply))
  // Who has gone before their reply was there closes nothing any more.
  if (response.closed) reply.sent?.()
  else if (reply.sent !== undefined) response.once('close', reply.sent)
}

/** Writes the head of a reply and returns its body. */
function writeHead(response: ServerResponse, reply: Reply): string | Buffer {
  const { body, type } = bodyOf(reply)
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.type ?? type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...reply.headers,
  })
  return body
}

function bodyOf({ body }: Reply): { readonly body: string | Buffer; readonly type: string } {
  if (typeof body === 'string') return { body, type: 'text/plain; charset=utf-8' }
  if (Buffer.isBuffer(body)) return { body, type: 'application/octet-stream' }
  return { body: `${JSON.stringify(body)}\n`, type: 'application/json' }
}

function errorReply(error: unknown, report: (cause: unknown) => void): Reply {
  if (error instanceof HttpError)
    return {
      status: error.status,
      body: { error: error.message, hint: error.hint },
      headers: error.headers,
    }
  report(error)
  return { status: 500, body: { error: 'internal error', hint: 'the log says more' } }
}
