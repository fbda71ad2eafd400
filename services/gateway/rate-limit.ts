export type Rate = {
  /** What comes back of a key's tokens. */
  readonly perSecond: number
  /** How many a key may take at once. */
  readonly burst: number
  /** Keys that are remembered; all beyond share one bucket. */
  readonly keysMax: number
}

export type RateLimiter = {
  /** Takes a token of this key: 0, or the milliseconds until there is one. */
  readonly take: (key: string) => number
}

/**
 * A token bucket a key, in bounded memory. A bucket that is full again is forgotten, since a new one is alike; one that
 * is not never is: who comes with many keys cannot empty the memory of what he has taken. The clock must not go back.
 */
export function rateLimiter(rate: Rate, nowMs: () => number): RateLimiter {
  const buckets = new Map<string, Bucket>()
  const shared: Bucket = { fullAtMs: 0 }
  const bucketOf = (key: string, now: number): Bucket => {
    const known = buckets.get(key)
    if (known === undefined) forgetFull(buckets, now)
    if (known === undefined && buckets.size >= rate.keysMax) return shared
    const bucket = known ?? { fullAtMs: now }
    // In the order of their last use: those that are full again come first.
    buckets.delete(key)
    buckets.set(key, bucket)
    return bucket
  }
  return {
    take: key => {
      const now = nowMs()
      return takeFrom(bucketOf(key, now), rate, now)
    },
  }
}

/** What it lacks is kept as the time at which it will be full: sums of fractions would drift. */
type Bucket = { fullAtMs: number }

function takeFrom(bucket: Bucket, { perSecond, burst }: Rate, now: number): number {
  const tokenMs = 1000 / perSecond
  const fullAtMs = Math.max(bucket.fullAtMs, now) + tokenMs
  const waitMs = fullAtMs - now - burst * tokenMs
  if (waitMs > 0) return Math.ceil(waitMs)
  bucket.fullAtMs = fullAtMs
  return 0
}

/** One that stands behind another that is not full waits for it: at most for the time of a refill. */
function forgetFull(buckets: Map<string, Bucket>, now: number): void {
  for (const [key, { fullAtMs }] of buckets) {
    if (fullAtMs > now) return
    buckets.delete(key)
  }
}
