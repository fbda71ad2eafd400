const windowMs = 60_000

/** Takes a node's turn and returns 0; or, where it has had as many in the last minute as it may, how long it waits. */
export type Limit = (node: string) => number

/** A limit of so many turns a minute for each node. One that is turned away costs nothing. */
export function newLimit(perMinute: number, nowMs: () => number): Limit {
  const taken = new Map<string, readonly number[]>()
  return node => {
    const now = nowMs()
    const recent = (taken.get(node) ?? []).filter(atMs => atMs > now - windowMs)
    const [oldest = now] = recent
    if (recent.length >= perMinute) return oldest + windowMs - now
    taken.set(node, [...recent, now])
    return 0
  }
}
