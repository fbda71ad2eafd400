import type { Heard } from './view.ts'

/** That news came, and whether somebody is a member no more. */
export type Due = Pick<Heard, 'isDeparture'>

export type CatchUp = {
  /** Carries out what news ask for. Never rejects. */
  readonly take: (due: Due) => Promise<void>
  /** Carries out again what has failed; with each round. Never rejects. */
  readonly round: () => Promise<void>
}

/**
 * Carries out what news ask of this node: nobody tells them a second time, and a call of `wg` that failed once need not
 * fail again. One at a time: what comes meanwhile is carried out together, so that a burst of news costs two runs.
 * `apply` may be repeated: it takes what is known by then.
 */
export function catchUp(apply: (due: Due) => Promise<void>, failed: (cause: unknown) => void): CatchUp {
  let due: Due | undefined
  let isRunning = false
  let run = Promise.resolve()
  const add = ({ isDeparture }: Due) => {
    due = { isDeparture: isDeparture || due?.isDeparture === true }
  }
  const attempt = async () => {
    while (due !== undefined) {
      const now = due
      due = undefined
      try {
        await apply(now)
      } catch (cause) {
        add(now)
        failed(cause)
        break
      }
    }
    // Not a turn later: what came in between would be taken for done.
    isRunning = false
  }
  const round = () => {
    if (!isRunning) {
      isRunning = true
      run = attempt()
    }
    return run
  }
  return {
    take: of => {
      add(of)
      return round()
    },
    round,
  }
}
