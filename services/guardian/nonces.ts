import { toBase64url } from '../../protocol/fields.ts'

const nonceBytes = 16
const goodMs = 30_000
const outstandingMax = 4

/** What makes a request for a share one of now: each nonce is good for one, of one node, for 30 seconds. */
export type Nonces = {
  /** A new one; the oldest of more than four of a node is good no more. */
  readonly issue: (node: string) => string
  /** True, once, for one that is good. */
  readonly take: (node: string, nonce: string) => boolean
}

type Issued = { readonly nonce: string; readonly endsMs: number }

export function newNonces(world: {
  readonly nowMs: () => number
  readonly random: (bytes: number) => Uint8Array
}): Nonces {
  const issued = new Map<string, readonly Issued[]>()
  const goodOf = (node: string) => (issued.get(node) ?? []).filter(one => one.endsMs > world.nowMs())
  return {
    issue: node => {
      const nonce = toBase64url(world.random(nonceBytes))
      const one = { nonce, endsMs: world.nowMs() + goodMs }
      issued.set(node, [...goodOf(node), one].slice(-outstandingMax))
      return nonce
    },
    take: (node, nonce) => {
      const good = goodOf(node)
      const left = good.filter(one => one.nonce !== nonce)
      issued.set(node, left)
      return left.length < good.length
    },
  }
}
