import { randomBytes } from 'node:crypto'
import type { Visit } from '../../http/server.ts'
import type { Metrics } from './metrics.ts'

export type RequestLog = {
  /** Where lines go, without newline. */
  readonly write: (line: string) => void
  readonly metrics: Pick<Metrics, 'begun' | 'ended'>
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs: () => number
}

/**
 * Writes one line of JSON a request, when its answer has ended. Of what came from outside there is the method alone,
 * which the HTTP parser knows: no path, query, header or body. The id is in the answer, for who asks about it.
 */
export function requestLog({ write, metrics, nowMs }: RequestLog): (visit: Visit) => void {
  return visit => {
    const { request, response } = visit
    const id = randomBytes(8).toString('hex')
    const address = request.socket.remoteAddress
    const beganMs = nowMs()
    response.setHeader('x-request-id', id)
    metrics.begun()
    response.once('close', () => {
      const ms = Math.round(nowMs() - beganMs)
      const { route, who: operator } = visit
      // 499 as nginx says it: the client went before there was an answer.
      const status = response.headersSent ? response.statusCode : 499
      metrics.ended({ route, status, ms })
      const facts = { id, method: request.method, route, status, ms, address, operator }
      write(lineOf({ ...facts, ...(response.writableFinished ? {} : { cut: true }) }))
    })
  }
}

/** The id that the log has given a request. */
export function requestIdOf({ response }: Visit): string | undefined {
  const id = response.getHeader('x-request-id')
  return typeof id === 'string' ? id : undefined
}

/** A line for a connection that wants to speak WebSocket. */
export function upgradeLine({
  address,
  taken,
}: {
  readonly address: string | undefined
  readonly taken: boolean
}): string {
  return lineOf({ upgrade: taken ? 'taken' : 'refused', address })
}

/** A line for what went wrong and was not told to the client, with the id of the request at which it did. */
export function faultLine(error: unknown, id?: string): string {
  return lineOf({ id, error: describe(error) })
}

function lineOf(facts: object): string {
  return JSON.stringify({ time: new Date().toISOString(), ...facts })
}

const charactersMax = 1000

/** The messages of an error and its causes, without stacks. */
function describe(error: unknown): string {
  const parts: string[] = []
  for (let e = error; e !== undefined && parts.length < 8; e = e instanceof Error ? e.cause : undefined)
    parts.push(e instanceof Error ? e.message || e.name : typeof e)
  return parts.join(': ').slice(0, charactersMax)
}
