import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

export type Poll<T> = {
  readonly ask: () => T | Promise<T>
  readonly wanted: (answer: T) => boolean
  /** How an error calls what did not happen. */
  readonly what: string
  readonly deadlineMs: number
  readonly askAgainMs?: number
}

/** Asks until the answer is as wanted. Throws, with the last answer, when that takes too long. */
export async function poll<T>({ ask, wanted, what, deadlineMs, askAgainMs = 200 }: Poll<T>): Promise<T> {
  const endMs = performance.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    if (performance.now() > endMs)
      throw new Error(`Waited ${deadlineMs} ms in vain for ${what}: ${inspect(answer).slice(0, 1000)}`)
    await sleep(askAgainMs)
  }
}
