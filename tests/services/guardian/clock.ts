/** A clock that only a test moves. */
export type Clock = { ms: number; readonly nowMs: () => number }

export function newClock(): Clock {
  const clock = { ms: 1_000_000, nowMs: () => clock.ms }
  return clock
}
