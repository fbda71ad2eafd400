import type { ZodType } from 'zod'
import { HttpError } from '../../http/error.ts'
import { type Answer, exchange } from '../../http/exchange.ts'
import { moveSecret } from '../../protocol/secret.ts'
import { type EpochId, epochName, epochNames } from '../../protocol/shares/epoch.ts'
import { shareBytes } from '../../protocol/shares/split.ts'
import {
  type Holding,
  holdingSchema,
  holdingsSchema,
  type MemberList,
  memberListSchema,
} from '../../protocol/shares/store.ts'

/** A constant of the bundle: see agent/system/faults.ts. */
declare const ORAMA_TEST_BUILD: boolean

/** What the agent of this node keeps. Everything throws HttpError 503 where it does not answer as it should. */
export type Store = {
  readonly members: () => Promise<MemberList>
  readonly holding: (node: string) => Promise<Holding>
  /** 97 bytes, the caller's to wipe; undefined where there is none. */
  readonly share: (node: string, epoch: EpochId) => Promise<Buffer | undefined>
  /** Resolves once it is on the disk; HttpError 507 where a limit would be exceeded. The share stays the caller's. */
  readonly put: (
    node: string,
    of: { readonly epoch: EpochId; readonly share: Uint8Array; readonly keep: readonly EpochId[] },
  ) => Promise<Holding>
  readonly keep: (node: string, epochs: readonly EpochId[]) => Promise<Holding>
  readonly raise: (node: string, counter: number) => Promise<Holding>
  /** Hands what a node says of the cluster to the agent, as JSON; what the agent says to it comes back. */
  readonly news: (node: string, body: Uint8Array) => Promise<Buffer>
}

export type StoreOptions = {
  readonly socketPath: string
  readonly log: (line: string) => void
  /** For one answer. A header is written in about a second on slow machines. */
  readonly deadlineMs?: number
}

/** The store behind the Unix socket of the agent. */
export function storeClient(options: StoreOptions): Store {
  const json = async <T>(schema: ZodType<T>, ...[method, target, body]: Question) => {
    const { status, content } = await ask(options, [method, target, body])
    if (status === 507)
      throw new HttpError(507, 'a limit of the store would be exceeded', 'drop other epochs')
    return status === 200 ? parsed(options, content, schema) : fault(options, `status ${status}`)
  }
  return {
    members: () => json(memberListSchema, 'GET', '/members'),
    holding: async node =>
      (await json(holdingsSchema, 'GET', '/holdings'))[node] ?? { epochs: [], counter: 0 },
    share: async (node, epoch) => {
      const asked = ['GET', `/share?node=${node}&epoch=${epochName(epoch)}`] as const
      const { status, content } = await ask(options, asked)
      if (status === 404) return undefined
      if (status !== 200 || !isShare(content))
        return fault(options, `status ${status}, ${content.length} bytes`)
      return moveSecret(content)
    },
    put: (node, { epoch, share, keep }) => {
      const query = `node=${node}&epoch=${epochName(epoch)}&keep=${epochNames(keep)}`
      return json(holdingSchema, 'PUT', `/share?${query}`, share)
    },
    keep: (node, epochs) => json(holdingSchema, 'PUT', `/keep?node=${node}&keep=${epochNames(epochs)}`),
    news: async (node, body) => {
      const { status, content } = await ask(options, ['POST', `/news?node=${node}`, body])
      if (status === 429)
        throw new HttpError(429, 'too much of what was told from there is wrong', 'wait a minute')
      return status === 200 ? content : fault(options, `status ${status}`)
    },
    raise: (node, counter) => json(holdingSchema, 'PUT', `/release?node=${node}&counter=${counter}`),
  }
}

/** A test image passes on what its agent was told to cut short (`short@share`): who asked for it has to see that. */
function isShare(content: Buffer): boolean {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return content.length === shareBytes
  return content.length <= shareBytes
}

type Question = readonly [method: 'GET' | 'PUT' | 'POST', target: string, body?: Uint8Array | undefined]

const answerBytesMax = 4 * 1024 * 1024
const deadlineFallbackMs = 30_000

function ask(options: StoreOptions, [method, path, body]: Question): Promise<Answer> {
  const { socketPath, deadlineMs = deadlineFallbackMs } = options
  const signal = AbortSignal.timeout(deadlineMs)
  const question = { to: { socketPath }, method, path, body, signal, bytesMax: answerBytesMax }
  return exchange(question).catch((cause: unknown) => fault(options, String(cause)))
}

function parsed<T>(options: StoreOptions, content: Buffer, schema: ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(content.toString()))
  } catch {
    return fault(options, 'an answer that does not fit')
  }
}

function fault({ log }: StoreOptions, why: string): never {
  log(`store: ${why}`)
  throw new HttpError(
    503,
    'the store of this guardian does not answer',
    'ask other guardians, and this one later',
  )
}
