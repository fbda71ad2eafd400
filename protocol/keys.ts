import { createPrivateKey, createPublicKey, diffieHellman, randomFillSync, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { secretBuffer } from './secret.ts'

/** X25519 (encryption, WireGuard) and Ed25519 (identity); both have private and public keys of 32 raw bytes. */
export type Curve = 'x25519' | 'ed25519'

export type KeyPair = { readonly privateKey: Buffer; readonly publicKey: Buffer }

/** A new pair; the private key lies outside V8's heap and is the caller's to wipe. */
export function newKeyPair(curve: Curve): KeyPair {
  const privateKey = secretBuffer(32)
  randomFillSync(privateKey)
  // WireGuard stores X25519 private keys clamped and prints them so; for the curve it makes no difference.
  if (curve === 'x25519') clamp(privateKey)
  return { privateKey, publicKey: publicOf(curve, privateKey) }
}

/** The raw public key of a raw private key (Ed25519: its seed). Throws RangeError for another length. */
export function publicOf(curve: Curve, privateKey: Uint8Array): Buffer {
  return createPublicKey(privateObject(curve, privateKey)).export({ format: 'raw-public' })
}

/** X25519: 32 bytes, to be wiped. Throws for points of low order, whose result everybody knows. */
export function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  try {
    const options = {
      privateKey: privateObject('x25519', privateKey),
      publicKey: publicObject('x25519', publicKey),
    }
    return diffieHellman(options)
  } catch (cause) {
    throw new RangeError('Cannot agree on a key: the public key is no usable point', { cause })
  }
}

/** Ed25519 over domain, newline, message: what is signed for one purpose is worth nothing for another. */
export function signBytes(domain: string, message: Uint8Array, identityPrivate: Uint8Array): Buffer {
  return sign(null, inDomain(domain, message), privateObject('ed25519', identityPrivate))
}

/** True when the identity key signed this message for this domain. */
export function verifyBytes(
  domain: string,
  message: Uint8Array,
  by: { signature: Uint8Array; identity: Uint8Array },
) {
  return verify(null, inDomain(domain, message), publicObject('ed25519', by.identity), by.signature)
}

function inDomain(domain: string, message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${domain}\n`), message])
}

function clamp(key: Buffer): void {
  key[0] = (key[0] ?? 0) & 248
  key[31] = ((key[31] ?? 0) & 127) | 64
}

function privateObject(curve: Curve, raw: Uint8Array): KeyObject {
  if (raw.length !== 32) throw new RangeError(`Cannot use private key: ${raw.length} bytes, need 32`)
  return createPrivateKey({
    key: Buffer.from(raw.buffer, raw.byteOffset, 32),
    format: 'raw-private',
    asymmetricKeyType: curve,
  })
}

function publicObject(curve: Curve, raw: Uint8Array): KeyObject {
  if (raw.length !== 32) throw new RangeError(`Cannot use public key: ${raw.length} bytes, need 32`)
  return createPublicKey({
    key: Buffer.from(raw.buffer, raw.byteOffset, 32),
    format: 'raw-public',
    asymmetricKeyType: curve,
  })
}
