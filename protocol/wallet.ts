import { keccak_256 } from '@noble/hashes/sha3.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { Point, Signature, etc, getPublicKey, hashes, recoverPublicKey, sign } from '@noble/secp256k1'
import * as z from 'zod'
import { signatureHex } from './fields.ts'

hashes.sha256 = sha256
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message)

/** An Ethereum address in the mixed case of EIP-55, "0x" and 40 hex digits. */
export type Address = string

/** An address in its one spelling (EIP-55); for what people type there is `parseAddress`. */
export const addressSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'not an address')
  .refine(text => checksummed(text) === text, 'not an address in the mixed case of EIP-55')

/**
 * Signs a text as wallets do (EIP-191 personal_sign, deterministic by RFC 6979).
 * Returns "0x" and r, s, v in 130 hex digits, v 27 or 28. The key is 32 bytes and stays the caller's to wipe.
 */
export function signText(text: string, privateKey: Uint8Array): string {
  const bytes = sign(personalHash(text), privateKey, { prehash: false, format: 'recovered' })
  const { r, s, recovery = 0 } = Signature.fromBytes(bytes, 'recovered')
  if (recovery > 1) throw new RangeError('Cannot sign: this signature has no v of 27 or 28')
  const compact = new Signature(r, s).toBytes('compact')
  return `0x${etc.bytesToHex(compact)}${(27 + recovery).toString(16)}`
}

export type Signer = { readonly address: Address; readonly publicKey: Uint8Array }

/**
 * Who signed this text: the address and the 65-byte public key. Refuses a wrong length, v other than 27 or 28
 * and the high-s twin of a signature, so that one text and one key have one signature form.
 */
export function recoverSigner(text: string, signature: string): Signer {
  if (!signatureHex.safeParse(signature).success)
    throw new SyntaxError('Cannot read signature: need 0x and 130 lower-case hex digits')
  const bytes = Buffer.from(signature.slice(2), 'hex')
  const v = bytes[64]
  if (v !== 27 && v !== 28) throw new RangeError(`Cannot read signature: v is ${String(v)}, need 27 or 28`)
  try {
    const parsed = Signature.fromBytes(bytes.subarray(0, 64), 'compact').addRecoveryBit(v - 27)
    if (parsed.hasHighS()) throw new RangeError('s is in the upper half')
    const options = { prehash: false, isCompressed: false }
    const publicKey = recoverPublicKey(parsed.toBytes('recovered'), personalHash(text), options)
    return { address: addressOf(publicKey), publicKey }
  } catch (cause) {
    throw new RangeError('Cannot recover the signer of this text', { cause })
  }
}

/** The address of a secp256k1 public key, 65 bytes or 33. */
export function addressOf(publicKey: Uint8Array): Address {
  const full = Point.fromBytes(publicKey).toBytes(false)
  return checksummed(`0x${etc.bytesToHex(keccak_256(full.subarray(1)).subarray(12))}`)
}

/** The 65-byte public key of a 32-byte private key. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return getPublicKey(privateKey, false)
}

/** True when both are the same address, whatever their case. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** An address as people paste it: all lower or all upper case, or the mixed case of EIP-55, which is then checked. */
export function parseAddress(text: string): Address {
  const body = /^0x([0-9a-fA-F]{40})$/.exec(text)?.[1]
  if (body === undefined)
    throw new SyntaxError(`Cannot read address '${text.slice(0, 60)}': need 0x and 40 hex digits`)
  const address = checksummed(text)
  if (body !== body.toLowerCase() && body !== body.toUpperCase() && address !== text)
    throw new SyntaxError(
      `Cannot read address '${text}': its upper and lower case do not fit, a digit is wrong`,
    )
  return address
}

function checksummed(address: string): Address {
  const lower = address.slice(2).toLowerCase()
  const hash = etc.bytesToHex(keccak_256(Buffer.from(lower)))
  let mixed = '0x'
  for (let at = 0; at < 40; at++) {
    const digit = lower.charAt(at)
    mixed += parseInt(hash.charAt(at), 16) >= 8 ? digit.toUpperCase() : digit
  }
  return mixed
}

function personalHash(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  return keccak_256(Buffer.concat([Buffer.from(`\x19Ethereum Signed Message:\n${bytes.length}`), bytes]))
}
