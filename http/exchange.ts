import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { http, https } from './late.ts'

export type Question = {
  readonly to:
    | {
        readonly host: string
        readonly port: number
        /** TLS 1.3 with anybody: for what is public, where the answer is not believed. */
        readonly tls?: 'unverified'
      }
    | { readonly socketPath: string }
  readonly method: 'GET' | 'PUT' | 'POST'
  /** With its query. */
  readonly path: string
  readonly body?: string | Uint8Array | undefined
  /** Ends the exchange, which rejects then. */
  readonly signal: AbortSignal
  /** A machine that is off takes no connection, and one that is only slow takes it at once. Without: as `signal`. */
  readonly connectMs?: number
  /** Of the answer's body. */
  readonly bytesMax: number
}

export type Answer = { readonly status: number; readonly content: Buffer }

/**
 * Asks once, on a connection of its own, and takes the whole answer, whatever its status. Rejects with RangeError for
 * one that is too long, else with what went wrong. No other copy of the answer's bytes stays: it may be a secret.
 */
export async function exchange(question: Question): Promise<Answer> {
  const { to, method, path, body, signal, bytesMax } = question
  const headers = { 'content-length': body === undefined ? 0 : Buffer.byteLength(body) }
  const options = { ...to, method, path, headers, signal, agent: false }
  const request = 'tls' in to ? https().request({ ...options, ...unverified }) : http().request(options)
  // An abort while the answer is read comes here too, and unheard would end the process.
  request.on('error', () => undefined)
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  const connected = endUnlessConnected(request, question)
  request.end(body)
  try {
    const [response] = await answered
    return { status: response.statusCode ?? 0, content: await readAll(response, bytesMax) }
  } finally {
    clearTimeout(connected)
    request.destroy()
  }
}

/** Returns what to clear once the request is over. */
export function endUnlessConnected(request: ClientRequest, { connectMs }: Pick<Question, 'connectMs'>) {
  if (connectMs === undefined) return undefined
  const late = setTimeout(() => {
    request.destroy(new Error(`no connection within ${connectMs} ms`))
  }, connectMs)
  request.once('socket', socket => {
    socket.once('connect', () => {
      clearTimeout(late)
    })
  })
  return late
}

const unverified = { rejectUnauthorized: false, minVersion: 'TLSv1.3' } as const

async function readAll(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response) {
    parts.push(part as Buffer)
    bytes += (part as Buffer).length
    if (bytes > bytesMax) throw new RangeError(`Cannot use answer: too long, more than ${bytesMax} bytes`)
  }
  const whole = Buffer.concat(parts)
  for (const part of parts) part.fill(0)
  return whole
}
