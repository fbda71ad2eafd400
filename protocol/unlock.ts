import * as z from 'zod'
import { canonicalBytes } from './canonical.ts'
import { escrowSchema } from './escrow.ts'
import { base64url, counter, fromBase64url, nodeId, signedTextSchema, toBase64url } from './fields.ts'
import { signBytes, verifyBytes } from './keys.ts'

const facts = {
  nodeId,
  escrow: escrowSchema,
  oneTimeKey: base64url({ length: 32 }),
  nonce: base64url({ length: 16 }),
  /** Of the node's last order. */
  number: counter,
}

/** GET /v1/agent/unlock: what the owner needs to unlock a node, signed by its identity key. */
export const unlockOfferSchema = z.strictObject({ ...facts, signature: base64url({ length: 64 }) })
export type UnlockOffer = z.infer<typeof unlockOfferSchema>

const domain = 'orama-unlock-offer-v1'

/**
 * Signs an offer: it comes to the owner through gateways, and the secret is sealed to the key in it. Ed25519 over the
 * canonical JSON of all other fields; the key (32 bytes) stays the caller's.
 */
export function signUnlockOffer(
  offer: Omit<UnlockOffer, 'signature'>,
  identityPrivate: Uint8Array,
): UnlockOffer {
  return { ...offer, signature: toBase64url(signBytes(domain, canonicalBytes(offer), identityPrivate)) }
}

/** True for an offer that the node with this identity (base64url) made. */
export function isOfferOf({ signature, ...offer }: UnlockOffer, identity: string): boolean {
  const by = { signature: fromBase64url(signature), identity: fromBase64url(identity) }
  return verifyBytes(domain, canonicalBytes(offer), by)
}

/** POST /v1/agent/unlock. The order's arguments are {"nonce": the offer's nonce}. */
export const unlockRequestSchema = z.strictObject({ order: signedTextSchema, box: base64url({ max: 512 }) })
export type UnlockRequest = z.infer<typeof unlockRequestSchema>

/** What the box of an unlock request is bound to. */
export function unlockContext(of: { readonly nodeId: string; readonly nonce: string }): string {
  return `orama-unlock-v1|${of.nodeId}|${of.nonce}`
}
