import { createHash, hkdfSync } from 'node:crypto'
import { decrypt, encrypt } from './aead.ts'
import { fromBase64url, toBase64url } from './fields.ts'
import { parseGrant } from './grant.ts'
import { helloHash } from './hello.ts'
import type { Hello } from './hello.ts'
import { newKeyPair, publicOf, sharedSecret } from './keys.ts'
import { moveSecret } from './secret.ts'

// All private and public keys here are raw 32 bytes; boxes are base64url of what `encrypt` makes.
const toNode = 'orama-completion-v1 to node'
const toGateway = 'orama-completion-v1 to gateway'

export type SealedCompletion = {
  readonly ephemeral: string
  readonly box: string
  /** Opens the node's reply. Throws RangeError for one that the node did not seal. */
  readonly openReply: (box: string) => Buffer
}

/**
 * Seals a configuration to a node's enrollment key, bound to hello and grant: only the node opens it, and it
 * knows that the holder of the grant's gateway key made it.
 */
export function sealCompletion(input: {
  readonly hello: Hello
  readonly grantText: string
  readonly gatewayPrivate: Uint8Array
  readonly plaintext: Uint8Array
}): SealedCompletion {
  const { hello, grantText, gatewayPrivate, plaintext } = input
  if (toBase64url(publicOf('x25519', gatewayPrivate)) !== parseGrant(grantText).gatewayKey)
    throw new RangeError('Cannot seal: the grant names another gateway key')
  const node = fromBase64url(hello.enrollment)
  const ephemeral = newKeyPair('x25519')
  const secrets = [sharedSecret(ephemeral.privateKey, node), sharedSecret(gatewayPrivate, node)]
  ephemeral.privateKey.fill(0)
  const keys = completionKeys(secrets, { hello, grantText, ephemeral: ephemeral.publicKey })
  return {
    ephemeral: toBase64url(ephemeral.publicKey),
    box: toBase64url(encrypt(keys.toNode, toNode, plaintext)),
    openReply: box => decrypt(keys.toGateway, toGateway, fromBase64url(box)),
  }
}

export type OpenedCompletion = {
  readonly plaintext: Buffer
  /** Seals an answer that only the holder of the gateway key can open; may be called more than once. */
  readonly sealReply: (plaintext: Uint8Array) => string
}

/** The node's half of `sealCompletion`. Throws RangeError for a box of another hello, grant, key or sender. */
export function openCompletion(input: {
  readonly hello: Hello
  readonly grantText: string
  readonly enrollmentPrivate: Uint8Array
  readonly ephemeral: string
  readonly box: string
}): OpenedCompletion {
  const { hello, grantText, enrollmentPrivate } = input
  const ephemeral = fromBase64url(input.ephemeral)
  const gateway = fromBase64url(parseGrant(grantText).gatewayKey)
  const secrets = [sharedSecret(enrollmentPrivate, ephemeral), sharedSecret(enrollmentPrivate, gateway)]
  const keys = completionKeys(secrets, { hello, grantText, ephemeral })
  return {
    plaintext: decrypt(keys.toNode, toNode, fromBase64url(input.box)),
    sealReply: plaintext => toBase64url(encrypt(keys.toGateway, toGateway, plaintext)),
  }
}

/**
 * Seals to a one-time key, for one context: a text that names purpose, node and nonce.
 * The box is base64url of the sender's ephemeral public key (32 bytes) and the box proper.
 */
export function sealTo(oneTimePublic: Uint8Array, context: string, plaintext: Uint8Array): string {
  const ephemeral = newKeyPair('x25519')
  const secret = sharedSecret(ephemeral.privateKey, oneTimePublic)
  ephemeral.privateKey.fill(0)
  const key = oneTimeKey(secret, { ephemeral: ephemeral.publicKey, oneTime: oneTimePublic, context })
  try {
    return toBase64url(Buffer.concat([ephemeral.publicKey, encrypt(key, context, plaintext)]))
  } finally {
    key.fill(0)
  }
}

/** Opens what `sealTo` sealed. The bytes lie outside V8's heap; the caller wipes them. Throws RangeError. */
export function openFrom(oneTimePrivate: Uint8Array, context: string, box: string): Buffer {
  const bytes = fromBase64url(box)
  const ephemeral = bytes.subarray(0, 32)
  const secret = sharedSecret(oneTimePrivate, ephemeral)
  const key = oneTimeKey(secret, { ephemeral, oneTime: publicOf('x25519', oneTimePrivate), context })
  try {
    return decrypt(key, context, bytes.subarray(32))
  } finally {
    key.fill(0)
  }
}

type Transcript = { readonly hello: Hello; readonly grantText: string; readonly ephemeral: Uint8Array }

function completionKeys(secrets: readonly Buffer[], transcript: Transcript) {
  const gateway = fromBase64url(parseGrant(transcript.grantText).gatewayKey)
  const salt = sha256(
    Buffer.from(helloHash(transcript.hello), 'hex'),
    sha256(Buffer.from(transcript.grantText)),
    transcript.ephemeral,
    gateway,
  )
  const input = Buffer.concat(secrets)
  const keys = { toNode: derive(input, salt, toNode), toGateway: derive(input, salt, toGateway) }
  for (const secret of [input, ...secrets]) secret.fill(0)
  return keys
}

function oneTimeKey(
  secret: Buffer,
  of: { ephemeral: Uint8Array; oneTime: Uint8Array; context: string },
): Buffer {
  const key = derive(secret, sha256(of.ephemeral, of.oneTime), of.context)
  secret.fill(0)
  return key
}

function derive(input: Buffer, salt: Buffer, info: string): Buffer {
  return moveSecret(new Uint8Array(hkdfSync('sha256', input, salt, info, 32)))
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
