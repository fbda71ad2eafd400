import { type ClientRequest, type IncomingMessage, request } from 'node:http'

export type RqliteNode = { readonly host: string; readonly port: number }

export type Question = {
  readonly node: RqliteNode
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  /** JSON. */
  readonly body?: string | undefined
  readonly secret: Uint8Array
  /** How long all of it may take. */
  readonly limitMs: number
}

/** What became of a request at one node. The reasons never repeat what rqlite said. */
export type Answer =
  | { readonly kind: 'done'; readonly reply: unknown }
  /** For certain nothing was carried out; another node, or this one later, may do it. */
  | { readonly kind: 'not-done'; readonly why: string }
  /** It was perhaps carried out, or will be. */
  | { readonly kind: 'unknown'; readonly why: string }
  /** It was not, and never will be. */
  | { readonly kind: 'refused'; readonly why: string }

// A peer that is gone does not answer at all in WireGuard.
const connectMs = 2000
const replyBytesMax = 16 * 1024 * 1024

/**
 * Sends one request over a connection of its own: on one that was used before, a reset would not tell whether the
 * request had been read. Never throws.
 */
export async function ask(call: Question): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const sent = send(call)
  let connected = false
  const timers = [
    setTimeout(() => {
      if (!connected) sent.destroy(new Error('no connection in time'))
    }, connectMs),
    setTimeout(() => {
      sent.destroy(new Error('no answer in time'))
    }, call.limitMs),
  ]
  sent.on('socket', socket => socket.once('connect', () => (connected = true)))
  sent.on('response', response => {
    readReply(response).then(
      text => {
        resolve(judge(response.statusCode ?? 0, text))
      },
      () => {
        resolve({ kind: 'unknown', why: 'its answer broke off' })
      },
    )
  })
  sent.on('error', (error: NodeJS.ErrnoException) => {
    resolve(failed(error, connected))
  })
  try {
    return await promise
  } finally {
    timers.forEach(clearTimeout)
    sent.destroy()
  }
}

function send({ node, method, path, body, secret }: Question): ClientRequest {
  // A header has to be a text: this copy of the password is V8's, for as long as the request lives.
  const authorization = `Basic ${Buffer.concat([Buffer.from('orama:'), secret]).toString('base64')}`
  const ofBody =
    body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const headers = { authorization, ...ofBody }
  return request({ host: node.host, port: node.port, path, method, agent: false, headers }).end(body)
}

function failed(error: NodeJS.ErrnoException, connected: boolean): Answer {
  const why = connected ? 'the connection broke off' : 'no connection'
  return { kind: connected ? 'unknown' : 'not-done', why: `${why} (${error.code ?? error.message})` }
}

async function readReply(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response) {
    bytes += (part as Buffer).length
    if (bytes > replyBytesMax)
      throw new RangeError(`Cannot read reply: it has more than ${replyBytesMax} bytes`)
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts).toString()
}

const byStatus: Readonly<Record<number, Answer>> = {
  400: { kind: 'refused', why: 'it cannot read the request' },
  401: { kind: 'refused', why: 'it refuses the password' },
  // Without a leader nothing gets into the log.
  503: { kind: 'not-done', why: 'it has no leader' },
}

function judge(status: number, text: string): Answer {
  if (status !== 200) return byStatus[status] ?? { kind: 'unknown', why: `it answers with status ${status}` }
  try {
    const reply: unknown = text === '' ? undefined : JSON.parse(text)
    return failureIn(reply) ?? { kind: 'done', reply }
  } catch {
    return { kind: 'unknown', why: 'its answer is no JSON' }
  }
}

// What rqlite 8 says before a request gets into the log, by itself or at the end of what a forwarding node reports.
// `leadership lost while committing log` is not among them: that write may yet be committed.
const beforeTheLog =
  /(^|: )(not leader|store not ready|store not open|leader not found|timed out enqueuing operation)$/

/** An error of the request as a whole; those of single statements are in its results. */
function failureIn(reply: unknown): Answer | undefined {
  if (typeof reply !== 'object' || reply === null || !('error' in reply)) return undefined
  const { error } = reply
  if (typeof error === 'string' && beforeTheLog.test(error))
    return { kind: 'not-done', why: 'it cannot write now' }
  return { kind: 'unknown', why: 'it failed on the way' }
}
