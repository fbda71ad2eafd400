import { setTimeout as sleep } from 'node:timers/promises'

/** How fast a log may grow. */
export type FloodOptions = {
  readonly bytesPerSecond?: number
  readonly burstBytes?: number
  /** A clock that nobody sets. */
  readonly elapsedMs?: () => number
  readonly sleep?: (ms: number) => Promise<unknown>
}

export type FloodGate = {
  /** Whether so many bytes may be written now. */
  readonly admit: (bytes: number) => boolean
  /** After a chunk that was not admitted: who writes faster than this waits, and not the agent. */
  readonly pause: () => Promise<unknown>
}

const pauseMs = 20

/**
 * A bucket that fills with time. What does not fit is dropped by the caller, who counts it: a service that writes
 * 100 MB a second must cost the others neither the disk nor the agent's event loop. A chunk has at most 64 KiB, so
 * the pause holds the reading of a flood to some 3 MB a second.
 */
export function floodGate(options: FloodOptions = {}): FloodGate {
  const { bytesPerSecond = 256 * 1024, burstBytes = 1024 * 1024 } = options
  const { elapsedMs = () => performance.now(), sleep: wait = sleep } = options
  let level = burstBytes
  let filledMs = elapsedMs()
  return {
    admit: bytes => {
      const now = elapsedMs()
      level = Math.min(burstBytes, level + ((now - filledMs) * bytesPerSecond) / 1000)
      filledMs = now
      if (bytes > level) return false
      level -= bytes
      return true
    },
    pause: () => wait(pauseMs),
  }
}
