/** Calls back after a time: setTimeout, or what stands in its place in tests. */
export type After = (ms: number, act: () => void) => void

type Gathering<T> = {
  readonly ms: number
  readonly after: After
  /** Never throws: whoever waits for one of the batch is told by what is in it. */
  readonly act: (batch: readonly T[]) => Promise<void>
}

/**
 * Gathers what comes within a time into one act. Acts follow each other: what comes during one is gathered for the
 * next, which begins that time after its end.
 */
export function gatherer<T>({ ms, after, act }: Gathering<T>): (item: T) => void {
  const waiting: T[] = []
  let isBusy = false
  const begin = () => {
    isBusy = true
    after(ms, () => void carryOut())
  }
  const carryOut = async () => {
    await act(waiting.splice(0))
    isBusy = false
    if (waiting.length > 0) begin()
  }
  return item => {
    waiting.push(item)
    if (!isBusy) begin()
  }
}
