import { type NewsMessage, newsMessageSchema } from '../../protocol/cluster/news.ts'
import { describe } from '../system/log.ts'
import type { Ask } from '../shares/ask.ts'
import { GuardianRefusal } from '../shares/world.ts'
import { type Hearing, type HearingOf, newHearing } from './hearing.ts'

export type SpreadOf = HearingOf & {
  readonly own: string
  readonly ask: Ask
  /** 0 ≤ x < 1. */
  readonly random: () => number
}

export type Spread = {
  /** Takes news from wherever they come; they are passed on with the next round. As in `Hearing`. */
  readonly hear: Hearing['hear']
  /** Takes what another member says, and answers it. HttpError 429 as with `hear`. */
  readonly answer: (message: NewsMessage, from: string) => Promise<NewsMessage>
  /** One round, every few seconds: exchanges with those that may not know what this node knows. Never rejects. */
  readonly round: () => Promise<void>
  /** Has this node said that it knows what is known here, or been sent all of it? */
  readonly isTold: (node: string) => boolean
  /** Has any other node ever answered or called? Then it has this node's WireGuard key. */
  readonly inTouch: () => boolean
}

/** Calls at a time. */
const atOnce = 8
/** So often one that should know all is asked, whatever got lost. */
const netRounds = 12

/**
 * Passes on what this node knows to every other member until each has it, and takes what they know in exchange. Each
 * change goes to all at once: in seconds everybody who can be reached knows.
 *
 * Digests are said first; only where they differ all of the news follow, from both sides. That is done once a change,
 * whatever differs still: what one of two refuses would else go back and forth for ever. A digest is believed, since who
 * lies about it only keeps news from itself, and what it knows to itself: the others tell each other without it.
 */
export function spreadNews({ own, ask, random, ...of }: SpreadOf): Spread {
  const { view, log } = of
  // By node: the digest of what it knows of this node's news. Any change makes it another, so that all are untold.
  const told = new Map<string, string>()
  const isTold = (node: string) => told.get(node) === view.digest()
  const { hear, listensTo, check } = newHearing(of)
  let rounds = 0
  let inTouch = false
  const answer = async ({ digest: theirs, news }: NewsMessage, from: string): Promise<NewsMessage> => {
    check(from)
    if (news !== undefined) await hear(news, from)
    // Others than members are not counted: there may be any number of them.
    const isMember = from !== own && view.members().includes(from)
    inTouch ||= isMember
    const digest = view.digest()
    const isSame = theirs === digest
    // Who has sent its news and does not get the answer asks again.
    if (isMember && (isSame || news !== undefined)) told.set(from, digest)
    return isSame ? { digest } : { digest, news: view.news() }
  }
  const tell = (node: string, body: NewsMessage) =>
    ask(node, { path: '/v1/guardian/news', body, answer: newsMessageSchema })
  /** Takes the news, if there are some. True where both know the same then. */
  const agree = async (node: string, { digest, news }: NewsMessage) => {
    if (news !== undefined && listensTo(node)) await hear(news, node)
    if (digest !== view.digest()) return false
    told.set(node, digest)
    return true
  }
  const isGone = () => !view.members().includes(own)
  const exchange = async (node: string) => {
    try {
      const first = await tell(node, { digest: view.digest() })
      inTouch = true
      if (await agree(node, first)) return
      const all = { digest: view.digest(), news: view.news() }
      const second = await tell(node, all)
      told.set(node, all.digest)
      // The same once more was judged already.
      if (second.digest !== first.digest) await agree(node, second)
    } catch (cause) {
      if (isGone() && isNotAMember(cause)) told.set(node, view.digest())
      else if (told.delete(node)) log(`cluster: ${node} cannot be told: ${describe(cause)}`)
    }
  }
  return {
    hear,
    answer,
    isTold,
    inTouch: () => inTouch,
    round: async () => {
      rounds += 1
      const others = view.members().filter(node => node !== own)
      const untold = others.filter(node => !isTold(node))
      const some = others[Math.floor(random() * others.length)]
      const net = rounds % netRounds === 0 && some !== undefined && isTold(some) ? [some] : []
      for (let at = 0; at < untold.length; at += atOnce)
        // Some may have called meanwhile.
        await Promise.all(
          untold
            .slice(at, at + atOnce)
            .filter(node => !isTold(node))
            .map(exchange),
        )
      await Promise.all(net.map(exchange))
    },
  }
}

/** What who leaves is told by those that have heard of it from another. */
function isNotAMember(cause: unknown): boolean {
  return cause instanceof GuardianRefusal && cause.reason === 'not-a-member'
}
