import { setTimeout as sleep } from 'node:timers/promises'
import { isAway } from './database.ts'

export type Waiting = {
  /** Hears of the first time that the registry is away. */
  readonly report: (cause: unknown) => void
  /** Between two tries; 1 s unless told otherwise. */
  readonly pauseMs?: number
}

/**
 * Does what needs the registry, again and again while that is away: after a power cut its nodes may take minutes to
 * find each other, and to end and be started again would cost a slow machine more. May be carried out twice. Rejects
 * with what is wrong otherwise.
 */
export async function onceThere<T>(act: () => Promise<T>, { report, pauseMs = 1000 }: Waiting): Promise<T> {
  for (let tries = 0; ; tries += 1)
    try {
      return await act()
    } catch (cause) {
      if (!isAway(cause)) throw cause
      if (tries === 0) report(cause)
      await sleep(pauseMs)
    }
}
