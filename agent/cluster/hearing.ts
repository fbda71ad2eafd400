import { HttpError } from '../../http/error.ts'
import type { News } from '../../protocol/cluster/news.ts'
import { newPatience } from './patience.ts'
import type { ClusterView, Heard } from './view.ts'

export type HearingOf = {
  readonly view: ClusterView
  /** After news came that were new: peers, record and others have to hear of it. */
  readonly onChange: (heard: Heard) => Promise<void>
  readonly log: (line: string) => void
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs?: (() => number) | undefined
}

export type Hearing = {
  /** Takes news from wherever they come; logs what came of it. HttpError 429 as with `check`. */
  readonly hear: (news: News, from: string) => Promise<Heard>
  /** False for a minute after too much of what came from there was refused. */
  readonly listensTo: (from: string) => boolean
  /** Throws HttpError 429 where nothing is listened to. */
  readonly check: (from: string) => void
}

/** What this node takes of what it is told, and from whom. */
export function newHearing({ view, onChange, log, nowMs }: HearingOf): Hearing {
  const patience = newPatience(nowMs ?? (() => performance.now()))
  const listensTo = (from: string) => patience.left(from) > 0
  const check = (from: string) => {
    if (!listensTo(from))
      throw new HttpError(429, 'too much of what was told from there is wrong', 'wait a minute')
  }
  const hear = async (news: News, from: string) => {
    check(from)
    const heard = await view.hear(news, () => patience.left(from))
    for (const { what, why } of heard.refusals) log(`cluster: refused from ${from}: ${what}: ${why}`)
    if (patience.note(from, heard.refusals.length))
      log(`cluster: nothing is heard from ${from} for a minute: too much of it was refused`)
    if (!heard.changed) return heard
    log(`cluster: news from ${from}: ${view.members().length} members`)
    for (const event of heard.events) log(`cluster: ${event}`)
    await onChange(heard)
    return heard
  }
  return { hear, listensTo, check }
}
