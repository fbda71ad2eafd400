import * as z from 'zod'
import { HttpError } from '../../http/error.ts'
import { type Answer, exchange } from '../../http/exchange.ts'
import {
  type Admission,
  admittedSchema,
  type ClusterFacts,
  clusterFactsSchema,
  joinedAnswerSchema,
} from '../../protocol/cluster/admission.ts'
import { type News, newsMessageSchema } from '../../protocol/cluster/news.ts'
import type { Acknowledgement, Completion } from '../../protocol/completion.ts'
import { type CompletionAnswer, errorSchema } from '../../protocol/requests.ts'
import { shownText } from './shown-text.ts'

/**
 * The agent of this node, which judges every join and seals what the node is told. All of it throws HttpError: 403 with
 * the agent's reason where it refuses, 503 where it is locked or does not answer as it should.
 */
export type Agent = {
  readonly cluster: () => Promise<ClusterFacts>
  /** What it knows of the cluster; the same object for as long as that is the same. */
  readonly news: () => Promise<News>
  /** Hands it what the registry knows. */
  readonly tell: (news: News) => Promise<void>
  /** The registry has all of these news, if they are the last that were heard, and nobody who is gone carries it. */
  readonly met: (news: News) => Promise<void>
  readonly join: (admission: Admission) => Promise<Completion>
  /** Opens what the node of this hello (its hash) answered, and makes it known to the cluster. */
  readonly joined: (hello: string, answer: CompletionAnswer) => Promise<Acknowledgement>
}

export type AgentOptions = {
  readonly socketPath: string
  /** Hears what is wrong with the agent's answers. */
  readonly report: (error: Error) => void
  /** For one answer; 30 s unless told otherwise. A join costs signatures and a slow hash. */
  readonly deadlineMs?: number
}

/** The agent behind its Unix socket. */
export function agentClient(options: AgentOptions): Agent {
  const json = async <T>(schema: z.ZodType<T>, question: Question): Promise<T> => {
    const { status, content } = await ask(options, question)
    if (status !== 200) throw refusalOf(options, status, content)
    return parsed(options, content, schema)
  }
  let heard: { readonly digest: string; readonly news: News } | undefined
  return {
    cluster: () => json(clusterFactsSchema, ['GET', '/cluster']),
    news: async () => {
      const path = heard === undefined ? '/news' : `/news?known=${heard.digest}`
      const { digest, news = heard?.news } = await json(newsMessageSchema, ['GET', path])
      if (news === undefined) throw fault(options, 'it keeps its news to itself')
      heard = { digest, news }
      return news
    },
    tell: async news => {
      await json(newsMessageSchema, ['POST', '/news', news])
    },
    met: async news => {
      if (heard?.news === news) await json(z.strictObject({}), ['POST', '/met', { digest: heard.digest }])
    },
    join: async admission => (await json(admittedSchema, ['POST', '/join', admission])).completion,
    joined: async (hello, answer) =>
      (await json(joinedAnswerSchema, ['POST', '/joined', { hello, answer }])).acknowledgement,
  }
}

type Question = readonly [method: 'GET' | 'POST', path: string, body?: object]

const answerBytesMax = 2 * 1024 * 1024
const deadlineFallbackMs = 30_000

function ask(options: AgentOptions, [method, path, value]: Question): Promise<Answer> {
  const { socketPath, deadlineMs = deadlineFallbackMs } = options
  const signal = AbortSignal.timeout(deadlineMs)
  const body = value === undefined ? undefined : JSON.stringify(value)
  const question = { to: { socketPath }, method, path, body, signal, bytesMax: answerBytesMax }
  return exchange(question).catch((cause: unknown) => {
    throw fault(options, 'no answer', cause)
  })
}

/** Its reasons are the operator's to know, by 403 of a refusal, by 503 of what may pass: all else is a fault. */
function refusalOf(options: AgentOptions, status: number, content: Buffer): HttpError {
  const passed = { 403: 403, 429: 503, 503: 503 }[status]
  const said = errorSchema.safeParse(jsonOf(content)).data
  if (passed === undefined || said === undefined) return fault(options, `status ${status}`)
  return new HttpError(passed, shownText(said.error), shownText(said.hint ?? 'its log says why'))
}

function parsed<T>(options: AgentOptions, content: Buffer, schema: z.ZodType<T>): T {
  const result = schema.safeParse(jsonOf(content))
  if (result.success) return result.data
  throw fault(options, 'an answer that does not fit')
}

function jsonOf(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString())
  } catch {
    return undefined
  }
}

function fault({ report }: AgentOptions, why: string, cause?: unknown): HttpError {
  report(new Error(`Cannot use the agent: ${why}`, { cause }))
  return new HttpError(503, 'the agent of this node does not answer', 'it may be locked: unlock the node')
}
