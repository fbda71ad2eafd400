type Sleeper = { readonly atMs: number; readonly wake: () => void; readonly stop: (why: Error) => void }

/** Time that passes only when all loops of a test sleep. */
export function virtualTime(startMs: number) {
  let nowMs = startMs
  let sleepers: readonly Sleeper[] = []
  const pause = (ms: number) =>
    new Promise<void>((wake, stop) => {
      sleepers = [...sleepers, { atMs: nowMs + ms, wake, stop }]
    })
  const untilAllSleep = async (loops: number) => {
    while (sleepers.length < loops) await new Promise(setImmediate)
  }
  return {
    nowMs: () => nowMs,
    pause,
    /** Lets so many loops run, one after the other as they wake, for so long. */
    pass: async (ms: number, loops: number) => {
      const endMs = nowMs + ms
      for (;;) {
        await untilAllSleep(loops)
        const [next] = sleepers.toSorted((a, b) => a.atMs - b.atMs)
        if (next === undefined || next.atMs > endMs) break
        nowMs = next.atMs
        sleepers = sleepers.filter(one => one !== next)
        next.wake()
      }
      nowMs = endMs
    },
    stop: () => {
      for (const { stop } of sleepers) stop(new Error('stopped'))
    },
  }
}
