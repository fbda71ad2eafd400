import { createHash, hkdfSync } from 'node:crypto'
import * as z from 'zod'
import {
  base64url,
  clusterId,
  fromBase64url,
  sha256Hex,
  type SignedText,
  toBase64url,
  tokenHex,
} from '../fields.ts'
import { type KeyPair, publicOf, signBytes, verifyBytes } from '../keys.ts'
import { moveSecret } from '../secret.ts'
import { addressSchema } from '../wallet.ts'

// An invite's token is 32 random bytes, and the seed of a key pair: who holds it signs with it, and need show it to
// nobody. So a gateway that learns of an enrollment cannot use the invite for a node of its own.

/** What an operator hands to whoever may join one node: `orama1_` and base64url of JSON. */
export const inviteSchema = z.strictObject({
  /** Where the cluster's gateways answer. */
  u: z.url({ protocol: /^https$/ }).max(256),
  t: tokenHex,
  /** SHA-256 of the gateway's certificate (DER); absent where it is publicly valid. */
  f: sha256Hex.optional(),
  /** The name that certificate is for. */
  s: z.hostname().max(253).optional(),
  c: clusterId,
  a: addressSchema,
})
export type Invite = z.infer<typeof inviteSchema>

const prefix = 'orama1_'
const textMax = 2048

export function formatInvite(invite: Invite): string {
  return prefix + toBase64url(Buffer.from(JSON.stringify(inviteSchema.parse(invite))))
}

/** Reads an invite. Throws SyntaxError that never repeats the text: it is a secret. */
export function parseInvite(text: string): Invite {
  if (!text.startsWith(prefix))
    throw new SyntaxError(`Cannot read invite: it does not begin with '${prefix}'`)
  if (text.length > textMax) throw new SyntaxError('Cannot read invite: it is too long')
  try {
    return inviteSchema.parse(JSON.parse(fromBase64url(text.slice(prefix.length)).toString()))
  } catch {
    throw new SyntaxError('Cannot read invite: it is not whole, or not an invite')
  }
}

/** The Ed25519 pair of a token (32 bytes): seed = HKDF-SHA256, info `orama-invite-key-v1`. The caller wipes it. */
export function inviteKey(token: Uint8Array): KeyPair {
  if (token.length !== 32) throw new RangeError(`Cannot use token: ${token.length} bytes, need 32`)
  const seed = hkdfSync('sha256', token, '', 'orama-invite-key-v1', 32)
  const privateKey = moveSecret(new Uint8Array(seed))
  return { privateKey, publicKey: publicOf('ed25519', privateKey) }
}

/** How voucher, grant and registry name a token: SHA-256 of its public key, 64 hex digits. */
export function tokenHash(invitePublic: Uint8Array): string {
  return createHash('sha256').update(invitePublic).digest('hex')
}

/** That the holder of a token means this very grant. */
export const inviteProofSchema = z.strictObject({
  key: base64url({ length: 32 }),
  signature: base64url({ length: 64 }),
})
export type InviteProof = z.infer<typeof inviteProofSchema>

const domain = 'orama-invite-v1'
const askingDomain = 'orama-join-request-v1'

/** Signs the text of a grant with a token of 32 bytes. */
export function proveInvite(token: Uint8Array, grantText: string): InviteProof {
  return withKey(token, ({ privateKey, publicKey }) => {
    const signature = signBytes(domain, Buffer.from(grantText), privateKey)
    return { key: toBase64url(publicKey), signature: toBase64url(signature) }
  })
}

/**
 * Signs, with a token of 32 bytes, that its holder asks what became of a grant: base64url of 64 bytes. The proof does
 * not say that: it is in the member record, which every member has.
 */
export function signAsking(token: Uint8Array, grant: SignedText): string {
  return withKey(token, ({ privateKey }) =>
    toBase64url(signBytes(askingDomain, askingBytes(grant), privateKey)),
  )
}

function withKey<T>(token: Uint8Array, use: (pair: KeyPair) => T): T {
  const pair = inviteKey(token)
  try {
    return use(pair)
  } finally {
    pair.privateKey.fill(0)
  }
}

function askingBytes({ text, signature }: SignedText): Buffer {
  return Buffer.from(`${text}\n${signature}`)
}

/** Throws RangeError unless the token of this hash signed the text of this grant. */
export function checkInviteProof(
  proof: InviteProof,
  of: { readonly grantText: string; readonly tokenHash: string },
): void {
  const identity = fromBase64url(proof.key)
  if (tokenHash(identity) !== of.tokenHash)
    throw new RangeError('Cannot accept invite: it is not the one that the grant names')
  const signature = fromBase64url(proof.signature)
  if (!verifyBytes(domain, Buffer.from(of.grantText), { signature, identity }))
    throw new RangeError('Cannot accept invite: its holder did not sign this grant')
}

/** Throws RangeError unless the holder of a proof's token asks about this grant; the proof was checked before. */
export function checkAsking(
  asking: string,
  of: { readonly proof: InviteProof; readonly grant: SignedText },
): void {
  const signature = fromBase64url(asking)
  const identity = fromBase64url(of.proof.key)
  if (!verifyBytes(askingDomain, askingBytes(of.grant), { signature, identity }))
    throw new RangeError('Cannot accept request: the holder of the invite does not ask')
}
