import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Failure } from './failure.ts'

export type HttpRequest = {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** From the first packet to the last byte of the answer. */
  readonly timeoutMs: number
  readonly bytesMax: number
}
export type HttpAnswer = { readonly status: number; readonly body: string }

/** One request, one answer. Throws Failure 'unreachable' when there is none in time, 'failed' when it is too long. */
export type Http = (what: HttpRequest) => Promise<HttpAnswer>

/** Like Http, but hands over a successful answer piece by piece, without end; returns the others whole. */
export type Follow = (what: HttpRequest, onText: (text: string) => void) => Promise<HttpAnswer>

export const sendHttp: Http = async what => {
  const signal = AbortSignal.timeout(what.timeoutMs)
  try {
    const answer = await open(what, signal)
    return { status: answer.statusCode ?? 0, body: await readAll(answer, what) }
  } catch (cause) {
    throw asFailure(what, cause)
  }
}

export const followHttp: Follow = async (what, onText) => {
  const gate = new AbortController()
  const timer = setTimeout(() => {
    gate.abort()
  }, what.timeoutMs)
  try {
    const answer = await open(what, gate.signal)
    clearTimeout(timer)
    const status = answer.statusCode ?? 0
    if (status !== 200) return { status, body: await readAll(answer, what) }
    answer.setEncoding('utf8')
    for await (const text of answer as AsyncIterable<string>) onText(text)
    return { status, body: '' }
  } catch (cause) {
    throw asFailure(what, cause)
  } finally {
    clearTimeout(timer)
  }
}

function open(what: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method, body = '', headers = {} } = what
    const content =
      method === 'POST'
        ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
        : {}
    const options = { method, signal, agent: false, maxHeaderSize: 8192 }
    const sent = request(
      what.url,
      { ...options, headers: { accept: 'application/json', ...content, ...headers } },
      resolve,
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

async function readAll(answer: IncomingMessage, what: HttpRequest): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > what.bytesMax)
      throw new Failure('failed', `Cannot read the answer of ${what.url}: more than ${what.bytesMax} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function asFailure(what: HttpRequest, cause: unknown): Failure {
  if (cause instanceof Failure) return cause
  return new Failure('unreachable', `Cannot reach ${what.url}`, { cause })
}
