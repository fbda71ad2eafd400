import type { HttpError } from '../../http/error.ts'
import type { Visit } from '../../http/server.ts'
import { newPatience } from '../cluster/patience.ts'

export type RefusalLogOf = {
  readonly log: (line: string) => void
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs: () => number
}

/**
 * Has the log name what was refused, and to whom: addresses are those of WireGuard, which vouches for them. Who is
 * refused too often is left out for a minute, so that nobody pushes everything else out of the log.
 */
export function refusalLog({ log, nowMs }: RefusalLogOf): (visit: Visit, why: HttpError) => void {
  const patience = newPatience(nowMs)
  return ({ request, route = 'what it asked for', what }, { status, message }) => {
    const from = request.socket.remoteAddress ?? 'somebody who has gone'
    if (patience.left(from) === 0) return
    const asked = what === undefined ? route : `${route} '${what}'`
    log(`command: ${from} is refused ${asked} with ${status}: ${message}`)
    if (patience.note(from, 1)) log(`command: what else ${from} is refused within a minute is not named`)
  }
}
