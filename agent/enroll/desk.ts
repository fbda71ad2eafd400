import { setTimeout as sleep } from 'node:timers/promises'
import { type Completion, completionBytesMax, completionSchema } from '../../protocol/completion.ts'
import { HttpError } from '../http/error.ts'
import { parseJson } from '../http/body.ts'
import type { Reply, Routes } from '../http/server.ts'
import { describe, log } from '../system/log.ts'
import { type Accepted, judgeCompletion } from './judge.ts'
import { enrollmentPage } from './page.ts'
import type { Session } from './session.ts'

/** Why a reply to a bad completion comes late: the claim word has 30 bits, and only this slows a guesser. */
const refusalMs = 2000

export type Desk = {
  readonly session: () => Session
  readonly owner: string | undefined
  /** Why nobody can be enrolled here, if so: a bad operator file, a disk that is not blank. */
  readonly closed: string | undefined
  /** Formats and commits; the answer goes to the gateway of the grant. Throws when the node is as before. */
  readonly carryOut: (accepted: Accepted) => Promise<{ readonly box: string }>
}

/** The routes of port 9999, as docs/enrollment.md has them. Never the claim word. */
export function deskRoutes(desk: Desk): Routes {
  const judge = oneAtATime(desk)
  return {
    'GET /': { handle: request => show(desk, request.headers.accept ?? '') },
    'POST /v1/agent/enroll/complete': {
      bodyBytesMax: completionBytesMax,
      handle: async request => judge(parseJson(request.body, completionSchema)),
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

/** One completion after the other; while one is carried out, others are turned away at once. */
function oneAtATime(desk: Desk): (completion: Completion) => Promise<Reply> {
  let enrolling = false
  let queue: Promise<unknown> = Promise.resolve()
  return completion => {
    if (enrolling) throw new HttpError(409, 'an enrollment is under way', 'wait for its end')
    const turn = queue.then(async () => {
      const accepted = await judged(desk, completion)
      enrolling = true
      try {
        return { body: { v: 1, ...(await desk.carryOut(accepted)) } }
      } catch (cause) {
        enrolling = false
        log(`enrollment: failed: ${describe(cause)}`)
        throw new HttpError(
          500,
          `the enrollment failed: ${describe(cause)}`,
          'the node is as before: try again',
        )
      }
    })
    queue = turn.catch(() => undefined)
    return turn
  }
}

async function judged(desk: Desk, completion: Completion): Promise<Accepted> {
  if (desk.closed !== undefined) throw closedError(desk.closed)
  try {
    return await judgeCompletion(completion, { session: desk.session(), owner: desk.owner, now: new Date() })
  } catch (cause) {
    log(`enrollment: refused: ${describe(cause)}`)
    await sleep(refusalMs)
    throw new HttpError(403, describe(cause), 'take code and claim word from the console of this node')
  }
}
