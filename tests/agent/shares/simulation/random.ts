/** Numbers that are the same for the same seed: all that happens in a simulation can be seen again. */
export type Random = {
  /** From 0 to below `limit`, whole. */
  readonly int: (limit: number) => number
  readonly chance: (probability: number) => boolean
  /** One of a list that is not empty. */
  readonly pick: <T>(list: readonly T[]) => T
}

/** Mulberry32: small and good enough to choose events with. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (limit: number) => Math.floor(next() * limit)
  return {
    int,
    chance: probability => next() < probability,
    pick: list => {
      const one = list[int(list.length)]
      if (one === undefined) throw new RangeError('Cannot pick: the list is empty')
      return one
    },
  }
}
