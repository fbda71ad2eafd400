export type Backoff = { readonly minMs: number; readonly maxMs: number }

/**
 * How long to wait before a try: doubles with each failure (0: the first wait) from `minMs` to `maxMs`; up to half of it
 * is left to chance (0 ≤ random < 1), so that those who failed together do not come back together.
 */
export function backoffMs({ minMs, maxMs }: Backoff, failures: number, random: number): number {
  return Math.min(minMs * 2 ** Math.min(failures, 30), maxMs) * (0.5 + random / 2)
}
