import { setTimeout as sleep } from 'node:timers/promises'
import { type Completion, completionBytesMax, completionSchema } from '../../protocol/completion.ts'
import { HttpError } from '../../http/error.ts'
import { parseJson } from '../../http/body.ts'
import type { Reply, Routes } from '../../http/server.ts'
import { describe, log } from '../system/log.ts'
import { type Accepted, checkClaim, enterCluster, judgeCompletion } from './judge.ts'
import { enrollmentPage } from './page.ts'
import type { Session } from './session.ts'

/** Why a refusal comes late: the claim word has 30 bits, and only this slows a guesser. */
const refusalMs = 2000
/** How many completions are answered at a time, each of another address: a guesser must not keep the owner out. */
const answeringMax = 8

export type Desk = {
  readonly session: () => Session
  readonly owner: string | undefined
  /** Why nobody can be enrolled here, if so: a bad operator file, a disk that is not blank. */
  readonly closed: string | undefined
  /** Formats and commits; the answer goes to the gateway of the grant. Throws when the node is as before. */
  readonly carryOut: (accepted: Accepted) => Promise<{ readonly box: string }>
  /** The time that a refusal takes; 2 s unless told otherwise. */
  readonly pause?: () => Promise<unknown>
}

/** Answers a completion of somebody, who is named by an address or the like. Throws HttpError with a refusal. */
export type Complete = (completion: Completion, from: string) => Promise<Reply>

/** The routes of port 9999, as docs/enrollment.md has them. Never the claim word. */
export function deskRoutes(desk: Desk, complete = completer(desk)): Routes {
  return {
    'GET /': { handle: request => show(desk, request.headers.accept ?? '') },
    'POST /v1/agent/enroll/complete': {
      bodyBytesMax: completionBytesMax,
      handle: request => {
        if (desk.closed !== undefined) throw closedError(desk.closed)
        return complete(parseJson(request.body, completionSchema), request.from)
      },
    },
  }
}

function show(desk: Desk, accept: string): Reply {
  if (desk.closed !== undefined) throw closedError(desk.closed)
  const { code, hello } = desk.session()
  if (!accept.includes('text/html')) return { body: { code, expires: hello.expires, hello } }
  return {
    type: 'text/html; charset=utf-8',
    headers: { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" },
    body: enrollmentPage({ code, expires: hello.expires, version: hello.version }),
  }
}

function closedError(why: string): HttpError {
  return new HttpError(
    503,
    `this node cannot be enrolled: ${why}`,
    'see its console; mend that and start it again',
  )
}

/** Answers completions: the first good one is carried out, and while it is others are turned away at once. */
export function completer(desk: Desk): Complete {
  const { pause = () => sleep(refusalMs) } = desk
  const answering = new Set<string>()
  const turn = turns(pause)
  let enrolling = false
  const begin = (from: string) => {
    if (enrolling) throw new HttpError(409, 'an enrollment is under way', 'wait for its end')
    if (answering.has(from) || answering.size >= answeringMax)
      throw new HttpError(429, 'other completions wait for their answer', 'try again in some seconds')
    answering.add(from)
  }
  return async (completion, from) => {
    begin(from)
    try {
      const accepted = await judged(desk, completion, { turn, pause })
      if (enrolling) throw new HttpError(409, 'an enrollment is under way', 'wait for its end')
      // Nothing may come between this check and the start: a new session wipes the keys of the old one.
      if (accepted.session !== desk.session()) throw refusal('the enrollment code has just changed')
      enrolling = true
      return await carriedOut(desk, accepted).catch((cause: unknown) => {
        enrolling = false
        throw cause
      })
    } finally {
      answering.delete(from)
    }
  }
}

/** A turn to show a claim word: one after the other, and the next only when a wrong one has been paid for. */
type Turn = (check: () => void) => Promise<void>

function turns(pause: () => Promise<unknown>): Turn {
  let last: Promise<unknown> = Promise.resolve()
  return check => {
    const turn = last.then(check)
    last = turn.catch(pause)
    return turn
  }
}

type Pace = { readonly turn: Turn; readonly pause: () => Promise<unknown> }

async function judged(desk: Desk, completion: Completion, { turn, pause }: Pace): Promise<Accepted> {
  const { owner } = desk
  try {
    const judged = await judgeCompletion(completion, { session: desk.session(), owner, now: new Date() })
    if (owner === undefined)
      await turn(() => {
        checkClaim(judged)
      })
    const accepted = enterCluster(judged)
    for (const { what, why } of accepted.leftOut) log(`enrollment: left out: ${what}: ${why}`)
    return accepted
  } catch (cause) {
    log(`enrollment: refused: ${describe(cause)}`)
    await pause()
    throw refusal(describe(cause))
  }
}

function refusal(why: string): HttpError {
  return new HttpError(403, why, 'take code and claim word from the console of this node')
}

async function carriedOut(desk: Desk, accepted: Accepted): Promise<Reply> {
  try {
    return { body: { v: 1, ...(await desk.carryOut(accepted)) } }
  } catch (cause) {
    log(`enrollment: failed: ${describe(cause)}`)
    throw new HttpError(500, `the enrollment failed: ${describe(cause)}`, 'the node is as before: try again')
  }
}
