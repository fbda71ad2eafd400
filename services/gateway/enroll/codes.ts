import { enrollmentCode, type Hello } from '../../../protocol/hello.ts'

const waitingMax = 32

/**
 * Computes enrollment codes one after the other: each costs 32 MiB and about 0.1 s, and anybody may ask for one.
 * Rejects with RangeError where too many wait.
 */
export function codeQueue(compute: typeof enrollmentCode = enrollmentCode): typeof enrollmentCode {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return async (hello: Hello) => {
    if (waiting >= waitingMax) throw new RangeError('Cannot compute code: too many wait for one')
    waiting += 1
    const turn = last.then(() => compute(hello))
    last = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      waiting -= 1
    }
  }
}
