import { request as requestHttp } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Failure } from './failure.ts'
import { judgedAgent } from './judged-agent.ts'
import type { Identity } from './tls.ts'

export type HttpRequest = {
  readonly method: 'GET' | 'POST'
  readonly url: string
  /** To https alone: whose certificate is accepted. */
  readonly tls?: Identity
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
    await readOn(answer, onText)
    return { status, body: '' }
  } catch (cause) {
    throw asFailure(what, cause)
  } finally {
    clearTimeout(timer)
  }
}

async function readOn(answer: IncomingMessage, onText: (text: string) => void): Promise<void> {
  try {
    for await (const text of answer as AsyncIterable<string>) onText(text)
  } catch (cause) {
    throw new Failure('unreachable', 'The stream was cut', {
      cause,
      hint: 'Node or gateway has stopped, or nothing came for five minutes: run the command again',
    })
  }
}

function open(what: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, body = '', headers = {} } = what
  const content =
    method === 'POST' ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {}
  const options = {
    method,
    signal,
    maxHeaderSize: 8192,
    headers: { accept: 'application/json', ...content, ...headers },
  }
  const agent = what.url.startsWith('https:') && judgedAgent(new URL(what.url), what.tls ?? {})
  return send({ ...options, agent }, what)
}

function send(options: RequestOptions, what: HttpRequest): Promise<IncomingMessage> {
  const { url, body = '' } = what
  return new Promise((resolve, reject) => {
    let isAnswered = false
    const request = url.startsWith('https:') ? requestHttps : requestHttp
    const sent = request(url, options, answer => {
      isAnswered = true
      resolve(answer)
    })
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      const isCut = sent.reusedSocket && !isAnswered && cause.code === 'ECONNRESET'
      // A server may end a kept connection at any time, and a look may be repeated.
      if (isCut && what.method === 'GET') resolve(send(options, what))
      else reject(cause)
    })
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
