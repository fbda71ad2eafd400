/** How much a node takes from each that tells it news: what does not prove itself costs time. */
export type Patience = {
  /** So many records of this one may be refused yet; 0: it is not listened to now. */
  readonly left: (from: string) => number
  /** Counts what was refused. True where that was too much: it is not listened to for a minute. */
  readonly note: (from: string, refused: number) => boolean
}

const refusedMax = 32
const windowMs = 60_000

/** `nowMs`: of a clock that nobody sets. */
export function newPatience(nowMs: () => number): Patience {
  const spent = new Map<string, { readonly sinceMs: number; readonly refused: number }>()
  const of = (from: string) => {
    const known = spent.get(from)
    return known !== undefined && nowMs() - known.sinceMs < windowMs
      ? known
      : { sinceMs: nowMs(), refused: 0 }
  }
  const left = (from: string) => Math.max(0, refusedMax - of(from).refused)
  return {
    left,
    note: (from, refused) => {
      if (refused === 0) return false
      const before = of(from)
      const isOver = before.refused < refusedMax && before.refused + refused >= refusedMax
      // From then on a whole minute.
      const sinceMs = isOver ? nowMs() : before.sinceMs
      spent.set(from, { sinceMs, refused: before.refused + refused })
      return isOver
    },
  }
}
