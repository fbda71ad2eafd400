import { type Epoch, epochName, type Holder, isShareOf } from '../../protocol/shares/epoch.ts'
import type { RefusalReason } from '../../protocol/shares/guardian.ts'
import { combineShares } from '../../protocol/shares/split.ts'
import { untilAborted } from '../system/abort.ts'
import { describe } from '../system/log.ts'
import { GuardianRefusal, type Guardians } from './world.ts'

/** What came of asking a guardian: a good share, one that is not what the node gave it, a no, or nothing. */
export type Answer =
  | { readonly kind: 'good' | 'wrong' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly retryS: number | undefined }
  | { readonly kind: 'silent'; readonly why: string }

/** Answers by guardian; who was not waited for is not there. */
export type Answers = ReadonlyMap<string, Answer>

export type Collected = {
  readonly answers: Answers
  /** For how long, in seconds, those that are not among the answers were waited for. */
  readonly tookS: number
} & (
  | {
      /** 32 bytes, the caller's to wipe. */
      readonly secret: Buffer
    }
  | { readonly secret?: undefined; readonly missing: number }
)

export type Asking = {
  readonly node: string
  readonly epoch: Epoch
  readonly guardians: Pick<Guardians, 'release'>
  /** Ends the asking: what is there by then does not suffice. */
  readonly signal: AbortSignal
}

/**
 * Asks all guardians of an epoch at once, takes the first shares that are what the node gave away, and combines them
 * as soon as there are enough; the others are not waited for. A share is checked before it is combined: one wrong
 * share would make a wrong secret and nobody could tell whose it was. Every share is wiped.
 */
export async function collectSecret({ node, epoch, guardians, signal }: Asking): Promise<Collected> {
  const enough = new AbortController()
  // Aborted at the end in any case: so nothing stays with a signal that serves round after round.
  const stop = AbortSignal.any([signal, enough.signal])
  const startedMs = performance.now()
  const answers = new Map<string, Answer>()
  const shares: Buffer[] = []
  const ask = async (holder: Holder) => {
    const { share, answer } = await askOne({ node, epoch, guardians, stop, holder })
    // What comes when nobody waits any more is of no use, and says nothing against who sent it.
    if (stop.aborted) return share?.fill(0)
    answers.set(holder.node, answer)
    if (share !== undefined) shares.push(share)
    if (shares.length >= epoch.threshold) enough.abort()
  }
  try {
    const all = Promise.all(epoch.holders.map(ask))
    await Promise.race([all, untilAborted(stop)])
    const missing = epoch.threshold - shares.length
    const heard = { answers: new Map(answers), tookS: (performance.now() - startedMs) / 1000 }
    if (missing > 0) return { ...heard, missing }
    return { ...heard, secret: await combineShares(shares.slice(0, epoch.threshold)) }
  } finally {
    enough.abort()
    for (const share of shares) share.fill(0)
  }
}

type One = Pick<Asking, 'node' | 'epoch' | 'guardians'> & {
  readonly holder: Holder
  readonly stop: AbortSignal
}

/** One guardian's answer, and its share where that is good: the caller's to wipe. */
async function askOne({
  node,
  epoch,
  guardians,
  holder,
  stop,
}: One): Promise<{ answer: Answer; share?: Buffer }> {
  try {
    const share = await guardians.release(holder.node, epoch, stop)
    if (isShareOf(holder, share, { node, epoch })) return { answer: { kind: 'good' }, share }
    share.fill(0)
    return { answer: { kind: 'wrong' } }
  } catch (error) {
    if (error instanceof GuardianRefusal)
      return { answer: { kind: 'refused', reason: error.reason, retryS: error.retryS } }
    return { answer: { kind: 'silent', why: describe(error) } }
  }
}

/** One line for log and status: who answered and how, and how many shares are missing. */
export function describeCollected(epoch: Epoch, { answers, tookS, ...rest }: Collected): string {
  const unheard = `not waited for (silent for ${tookS.toFixed(1)} s)`
  const asked = epoch.holders.map(({ node }) => `${node} ${describeAnswer(answers.get(node)) ?? unheard}`)
  const missing = 'missing' in rest ? `, ${rest.missing} missing` : ''
  return `epoch ${epochName(epoch)}: need ${epoch.threshold} of ${epoch.holders.length}${missing}: ${asked.join(', ')}`
}

/**
 * The same in brief, for a status: those that have to be started or mended first, so that a line that is cut off still
 * names them.
 */
export function describeMissing({ holders, threshold }: Epoch, { answers }: Collected): string {
  const byOutcome = new Map<string, string[]>()
  for (const { node } of holders) {
    const outcome = outcomeOf(answers.get(node))
    byOutcome.set(outcome, [...(byOutcome.get(outcome) ?? []), node])
  }
  const good = byOutcome.get('good') ?? []
  const parts = [...byOutcome]
    .toSorted(([a], [b]) => Number(a === 'good') - Number(b === 'good'))
    .map(([outcome, nodes]) => `${outcome}: ${nodes.join(', ')}`)
  return `shares of its guardians, ${good.length} of ${threshold} are there; ${parts.join('; ')}`
}

function outcomeOf(answer: Answer | undefined): string {
  return answer?.kind === 'silent' ? 'no answer' : (describeAnswer(answer) ?? 'not waited for')
}

function describeAnswer(answer: Answer | undefined): string | undefined {
  switch (answer?.kind) {
    case undefined:
      return undefined
    case 'good':
      return 'good'
    case 'wrong':
      return 'gave a wrong share'
    case 'refused':
      return `refused (${answer.reason})`
    case 'silent':
      return `no answer (${answer.why})`
  }
}
