import { toBase64url } from '../../protocol/fields.ts'
import type { KeyPair } from '../../protocol/keys.ts'
import { openFrom } from '../../protocol/seal.ts'

/** One start of the guardian: statements are for it alone, and deposits are sealed to it. */
export type Session = {
  readonly id: string
  /** X25519, base64url. */
  readonly key: string
  /** Opens the box of a deposit; the bytes are the caller's to wipe. Throws RangeError. */
  readonly open: (context: string, box: string) => Buffer
  /** Of the node's last statement; 0 before the first. */
  readonly number: (node: string) => number
  /** True, once, for a number that is higher than all of this node before. */
  readonly take: (node: string, number: number) => boolean
}

/** A session with this id, 16 bytes, and this key, which it keeps to its end. */
export function newSession({ id, keys }: { readonly id: Uint8Array; readonly keys: KeyPair }): Session {
  const numbers = new Map<string, number>()
  const numberOf = (node: string) => numbers.get(node) ?? 0
  return {
    id: toBase64url(id),
    key: toBase64url(keys.publicKey),
    open: (context, box) => openFrom(keys.privateKey, context, box),
    number: numberOf,
    take: (node, number) => {
      if (number <= numberOf(node)) return false
      numbers.set(node, number)
      return true
    },
  }
}
