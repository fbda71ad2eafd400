import { type News, newsSchema } from '../../protocol/cluster/news.ts'
import { HttpError } from '../../http/error.ts'
import { describe } from '../system/log.ts'
import type { Ask } from '../shares/ask.ts'
import { newPatience } from './patience.ts'
import type { ClusterView, Heard } from './view.ts'

export type SpreadOf = {
  readonly view: ClusterView
  readonly own: string
  readonly ask: Ask
  /** After news came that were new: peers, record and others have to hear of it. */
  readonly onChange: (heard: Heard) => Promise<void>
  readonly log: (line: string) => void
  /** 0 ≤ x < 1. */
  readonly random: () => number
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs?: () => number
}

export type Spread = {
  /**
   * Takes news from wherever they come, and remembers to pass them on. Returns what came of it. HttpError 429: too much
   * of what came from there was refused, so that nothing is looked at for a minute.
   */
  readonly hear: (news: News, from: string) => Promise<Heard>
  /** One round, every few seconds: exchanges with those that may not know what this node knows. Never rejects. */
  readonly round: () => Promise<void>
  /** Has this node taken all that is known here? */
  readonly isTold: (node: string) => boolean
  /** Has any other node ever answered? Then it has this node's WireGuard key. */
  readonly inTouch: () => boolean
  /** All have to hear of it again: something of this node's own is new. */
  readonly retell: () => void
}

/** Calls at a time. */
const atOnce = 8
/** So often one that should know all is asked, whatever got lost. */
const netRounds = 12

/**
 * Passes on what this node knows to every other member until each has taken it, and takes what they know in exchange.
 * Each change goes to all at once: in seconds everybody who can be reached knows.
 */
export function spreadNews({ view, own, ask, onChange, log, random, nowMs }: SpreadOf): Spread {
  const told = new Set<string>()
  const patience = newPatience(nowMs ?? (() => performance.now()))
  let rounds = 0
  let answered = false
  const take = async (news: News, from: string) => {
    if (patience.left(from) === 0)
      throw new HttpError(429, 'too much of what was told from there is wrong', 'wait a minute')
    const heard = await view.hear(news, () => patience.left(from))
    for (const { what, why } of heard.refusals) log(`cluster: refused from ${from}: ${what}: ${why}`)
    if (patience.note(from, heard.refusals.length))
      log(`cluster: nothing is heard from ${from} for a minute: too much of it was refused`)
    if (!heard.changed) return heard
    told.clear()
    log(`cluster: news from ${from}: ${view.members().length} members`)
    for (const event of heard.events) log(`cluster: ${event}`)
    await onChange(heard)
    return heard
  }
  const exchange = async (node: string) => {
    const body = view.news()
    try {
      const answer = await ask(node, { path: '/v1/guardian/news', body, answer: newsSchema })
      told.add(node)
      answered = true
      if (patience.left(node) > 0) await take(answer, node)
    } catch (cause) {
      if (told.delete(node)) log(`cluster: ${node} cannot be told: ${describe(cause)}`)
    }
  }
  return {
    hear: take,
    isTold: node => told.has(node),
    inTouch: () => answered,
    retell: () => {
      told.clear()
    },
    round: async () => {
      rounds += 1
      const others = view.members().filter(node => node !== own)
      const untold = others.filter(node => !told.has(node))
      const some = others[Math.floor(random() * others.length)]
      const net = rounds % netRounds === 0 && some !== undefined && told.has(some) ? [some] : []
      for (let at = 0; at < untold.length; at += atOnce)
        await Promise.all(untold.slice(at, at + atOnce).map(exchange))
      await Promise.all(net.map(exchange))
    },
  }
}
