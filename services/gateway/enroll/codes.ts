import { fewInTurn } from '../../../http/in-turn.ts'
import { enrollmentCode, type Hello } from '../../../protocol/hello.ts'

const waitingMax = 32

/**
 * Computes enrollment codes one after the other: each costs 32 MiB and about 0.1 s, and anybody may ask for one.
 * Rejects with HttpError 429 where too many wait.
 */
export function codeQueue(compute: typeof enrollmentCode = enrollmentCode): typeof enrollmentCode {
  const turn = fewInTurn(waitingMax)
  return (hello: Hello) => turn(() => compute(hello))
}
