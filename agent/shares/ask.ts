import type { ZodType } from 'zod'
import { exchange } from '../../http/exchange.ts'
import { releaseRefusalSchema } from '../../protocol/shares/guardian.ts'
import { GuardianRefusal } from './world.ts'

export type Question<T> = {
  readonly path: string
  /** Sent by POST, as JSON; without it the question is a GET. */
  readonly body?: object
  readonly answer: ZodType<T>
  readonly signal?: AbortSignal | undefined
  /** How long the answer may take, where that is not the usual. */
  readonly deadlineMs?: number | undefined
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

// A machine under emulation takes seconds for what others do in milliseconds; one that is off takes no connection.
const connectMs = 8000
const answerMs = 8000
const answerBytesMax = 1024 * 1024

/** Over WireGuard, which vouches for who answers. */
export function askByHttp({ addressOf, port, signal }: AskOf): Ask {
  return async (guardian, question) => {
    const host = addressOf(guardian)
    if (host === undefined) throw new RangeError(`Cannot ask ${guardian}: it is no member`)
    const signals = [
      signal,
      AbortSignal.timeout(question.deadlineMs ?? answerMs),
      ...(question.signal ? [question.signal] : []),
    ]
    const { path, body } = question
    const { status, content } = await exchange({
      to: { host, port },
      method: body === undefined ? 'GET' : 'POST',
      path,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any(signals),
      bytesMax: answerBytesMax,
      connectMs,
    })
    const value = parse(content)
    if (status === 200) return question.answer.parse(value)
    const refusal = releaseRefusalSchema.safeParse(value)
    if (!refusal.success) throw new Error(`Cannot use answer: status ${status}`)
    const { reason, error, retryS } = refusal.data
    throw new GuardianRefusal(reason, error, retryS)
  }
}

function parse(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString())
  } catch {
    throw new SyntaxError('Cannot use answer: it is not JSON')
  }
}
