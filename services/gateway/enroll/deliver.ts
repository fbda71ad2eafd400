import type { Completion } from '../../../protocol/completion.ts'
import { type CompletionAnswer, completionAnswerSchema, errorSchema } from '../../../protocol/requests.ts'
import { HttpError } from '../../../http/error.ts'
import { exchange } from '../../../http/exchange.ts'
import { shownText } from '../shown-text.ts'
import type { NodeAnswer, WaitingNodes } from './waiting.ts'

export type Delivery = {
  readonly completion: Completion
  /** Hash of the node's hello. */
  readonly hello: string
  readonly nodeIp: string
}

export type DeliverWith = {
  readonly waiting: Pick<WaitingNodes, 'complete'>
  /** Why an address must not be called. */
  readonly whyNot: (address: string) => string | undefined
  /** Of nodes that wait: 9999. */
  readonly port?: number
  /** For the node to format its disk and answer; 180 s unless told otherwise. */
  readonly answerMs?: number
}

/** The node itself said no, and that it is as before: nothing has to be kept for it. */
export class NodeRefusal extends HttpError {
  override readonly name = 'NodeRefusal'
}

const enrollmentPort = 9999
const answerMsFallback = 180_000
const answerBytesMax = 64 * 1024

/**
 * Brings a completion to its node, over the call that the node has made here, else to its port 9999. Throws NodeRefusal
 * where the node refused; HttpError 422 where it cannot be now, 502 or 504 where nobody knows what became of it.
 */
export async function deliver(delivery: Delivery, how: DeliverWith): Promise<CompletionAnswer> {
  const late = AbortSignal.timeout(how.answerMs ?? answerMsFallback)
  try {
    return read(await (how.waiting.complete(delivery, late) ?? overHttp(delivery, how, late)))
  } catch (cause) {
    if (cause instanceof HttpError) throw cause
    throw withCause(late.aborted ? silent() : unreachable(), cause)
  }
}

async function overHttp(
  { completion, nodeIp }: Delivery,
  { whyNot, port = enrollmentPort }: DeliverWith,
  signal: AbortSignal,
): Promise<NodeAnswer> {
  const why = whyNot(nodeIp)
  if (why !== undefined)
    throw new NodeRefusal(403, `the node's address is not called: ${why}`, 'give the address of the node')
  const body = JSON.stringify(completion)
  const path = '/v1/agent/enroll/complete'
  const to = { host: nodeIp, port }
  const { status, content } = await exchange({
    ...{ to, method: 'POST', path, body, signal, bytesMax: answerBytesMax },
  })
  return { status, body: jsonOf(content) }
}

function jsonOf(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString())
  } catch {
    return undefined
  }
}

/** It has not judged this completion, but perhaps one that came before it. */
const busyStatuses: readonly number[] = [408, 409, 429]

function read({ status, body }: NodeAnswer): CompletionAnswer {
  if (status === 200) {
    const answer = completionAnswerSchema.safeParse(body)
    if (answer.success) return answer.data
    throw new HttpError(502, 'the answer of the node makes no sense', 'look at its console')
  }
  const said = errorSchema.safeParse(body).data
  const text = `the node refused: ${shownText(said?.error ?? `status ${status}`)}`
  const hint = shownText(said?.hint ?? 'look at its console')
  if (status >= 400 && status < 500 && !busyStatuses.includes(status)) throw new NodeRefusal(422, text, hint)
  throw new HttpError(422, text, hint)
}

function silent(): HttpError {
  return new HttpError(504, 'the node has not answered in time', 'look at its console, then ask again')
}

function unreachable(): HttpError {
  return new HttpError(
    502,
    'the node cannot be reached, or broke off',
    'look at its console and check its address, then ask again',
  )
}

function withCause(error: HttpError, cause: unknown): HttpError {
  error.cause = cause
  return error
}
