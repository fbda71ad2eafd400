import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { ZodType } from 'zod'
import { http } from '../../http/late.ts'
import { releaseRefusalSchema } from '../../protocol/shares/guardian.ts'
import { GuardianRefusal } from './world.ts'

export type Question<T> = {
  readonly path: string
  /** Sent by POST, as JSON; without it the question is a GET. */
  readonly body?: object
  readonly answer: ZodType<T>
  readonly signal?: AbortSignal | undefined
}

/** Asks the guardian's program of a node. Rejects with GuardianRefusal for a no, else with what went wrong. */
export type Ask = <T>(guardian: string, question: Question<T>) => Promise<T>

export type AskOf = {
  /** The WireGuard address of a member; undefined for who is none. */
  readonly addressOf: (node: string) => string | undefined
  readonly port: number
  /** Ends every question. */
  readonly signal: AbortSignal
}

// A machine under emulation takes a second for what others do in milliseconds; one that is off never answers.
const answerMs = 8000
const answerBytesMax = 1024 * 1024

/** Over WireGuard, which vouches for who answers. */
export function askByHttp({ addressOf, port, signal }: AskOf): Ask {
  return async (guardian, question) => {
    const host = addressOf(guardian)
    if (host === undefined) throw new RangeError(`Cannot ask ${guardian}: it is no member`)
    const signals = [signal, AbortSignal.timeout(answerMs), ...(question.signal ? [question.signal] : [])]
    const { status, text } = await exchange({ host, port, signal: AbortSignal.any(signals) }, question)
    const value = parse(text)
    if (status === 200) return question.answer.parse(value)
    const refusal = releaseRefusalSchema.safeParse(value)
    if (!refusal.success) throw new Error(`Cannot use answer: status ${status}`)
    const { reason, error, retryS } = refusal.data
    throw new GuardianRefusal(reason, error, retryS)
  }
}

type Place = { readonly host: string; readonly port: number; readonly signal: AbortSignal }

async function exchange(
  { host, port, signal }: Place,
  { path, body }: Pick<Question<unknown>, 'path' | 'body'>,
): Promise<{ readonly status: number; readonly text: string }> {
  const method = body === undefined ? 'GET' : 'POST'
  const request = http().request({ host, port, path, method, signal, agent: false })
  // An abort while the answer is read comes here too, and unheard would end the agent.
  request.on('error', () => undefined)
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  request.end(body === undefined ? undefined : JSON.stringify(body))
  try {
    const [response] = await answered
    return { status: response.statusCode ?? 0, text: await readAnswer(response) }
  } finally {
    request.destroy()
  }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response) {
    const data = part as Buffer
    bytes += data.length
    if (bytes > answerBytesMax) throw new RangeError(`Cannot use answer: more than ${answerBytesMax} bytes`)
    parts.push(data)
  }
  return Buffer.concat(parts).toString()
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SyntaxError('Cannot use answer: it is not JSON')
  }
}
