import { HttpError } from './error.ts'

/** Carries out one act at a time, as they come; throws HttpError 429 where as many as may are under way or wait. */
export type FewInTurn = <T>(act: () => Promise<T>) => Promise<T>

/** What a caller asks for costs this process its time: however many connections it has, it gets one act. */
export function fewInTurn(waitingMax: number): FewInTurn {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return async act => {
    if (waiting >= waitingMax) throw new HttpError(429, 'other requests wait', 'try again in some seconds')
    waiting += 1
    const turn = last.then(act)
    last = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      waiting -= 1
    }
  }
}
