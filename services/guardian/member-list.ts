import type { MemberList } from '../../protocol/shares/store.ts'

/** A node that was put out, or held back, may go on for so long. */
const ageMaxMs = 1000

/** The members, asked for at most once a second: a large cluster sends many leases. What failed is asked again. */
export function memberCache(
  fetch: () => Promise<MemberList>,
  nowMs: () => number,
): () => Promise<MemberList> {
  let known: { readonly list: Promise<MemberList>; readonly atMs: number } | undefined
  return () => {
    if (known !== undefined && nowMs() - known.atMs < ageMaxMs) return known.list
    const asked = { list: fetch(), atMs: nowMs() }
    known = asked
    asked.list.catch(() => {
      if (known === asked) known = undefined
    })
    return asked.list
  }
}
