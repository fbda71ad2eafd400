const leaseMs = 60_000

/** Which nodes live: each says so every 15 s, and for a minute from then on nobody has its shares but itself. */
export type Leases = {
  readonly renew: (node: string) => void
  /** By the node's goodbye. */
  readonly end: (node: string) => void
  /** How long its lease still lives; 0 where it does not. */
  readonly leftMs: (node: string) => number
  /** True when its lease ran out without a goodbye: it crashed, or lost its network. */
  readonly ranOut: (node: string) => boolean
}

/** No leases yet; the caller asks only for nodes that are members, whose number is limited. */
export function newLeases(nowMs: () => number): Leases {
  const endsMs = new Map<string, number>()
  const leftMs = (node: string) => Math.max(0, (endsMs.get(node) ?? 0) - nowMs())
  return {
    renew: node => endsMs.set(node, nowMs() + leaseMs),
    end: node => endsMs.delete(node),
    leftMs,
    ranOut: node => endsMs.has(node) && leftMs(node) === 0,
  }
}
