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
 * fail again. `apply` may be repeated: it takes what is known by then.
 */
export function catchUp(apply: (due: Due) => Promise<void>, failed: (cause: unknown) => void): CatchUp {
  let due: Due | undefined
  const attempt = async () => {
    const now = due
    if (now === undefined) return
    try {
      await apply(now)
      // Unless more came meanwhile, which is still to be done.
      if (due === now) due = undefined
    } catch (cause) {
      failed(cause)
    }
  }
  return {
    take: ({ isDeparture }) => {
      due = { isDeparture: isDeparture || due?.isDeparture === true }
      return attempt()
    },
    round: attempt,
  }
}
