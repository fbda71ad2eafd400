import { createHash, scrypt } from 'node:crypto'
import * as z from 'zod'
import { crockfordBase32, lowerBase32 } from './base32.ts'
import { canonicalBytes } from './canonical.ts'
import { base64url, time, version, wireguardKey } from './fields.ts'

/** What a node in enrollment mode says of itself: all its public keys. Shown to anyone. */
export const helloSchema = z.strictObject({
  v: z.literal(1),
  enrollment: base64url({ length: 32 }),
  wireguard: wireguardKey,
  identity: base64url({ length: 32 }),
  /** Ed25519, of the key that lies on the encrypted data partition alone: what only an unlocked node may say. */
  lease: base64url({ length: 32 }),
  version,
  expires: time,
})

export type Hello = z.infer<typeof helloSchema>

/** A hello lives this long; nobody accepts one that claims more. */
export const helloMinutesMax = 15

/** GET / on port 9999. */
export const helloPageSchema = z.strictObject({ code: z.string().max(16), expires: time, hello: helloSchema })
export type HelloPage = z.infer<typeof helloPageSchema>

/** SHA-256 of the canonical JSON of a hello, 64 hex digits. */
export function helloHash(hello: Hello): string {
  return helloDigest(hello).toString('hex')
}

/**
 * The commitment to a node's keys that a person compares: 8 characters of Crockford base32, 40 bits.
 * scrypt makes each of the attacker's tries cost 32 MiB and about 0.1 s.
 */
export async function enrollmentCode(hello: Hello): Promise<string> {
  return crockfordBase32(await slowHash(helloDigest(hello)), 8)
}

/** A node's id: 'n' and 16 characters of base32 of SHA-256 of its raw identity key (80 bits). */
export function nodeIdOf(identity: Uint8Array): string {
  if (identity.length !== 32)
    throw new RangeError(`Cannot name node: identity is ${identity.length} bytes, need 32`)
  return `n${lowerBase32(createHash('sha256').update(identity).digest(), 16)}`
}

/** Throws RangeError when a hello has expired, or claims to live longer than a hello may. */
export function checkHelloTime(hello: Hello, now: Date): void {
  const leftMs = Date.parse(hello.expires) - now.getTime()
  if (leftMs <= 0) throw new RangeError(`Cannot use hello: it expired at ${hello.expires}`)
  if (leftMs > helloMinutesMax * 60_000)
    throw new RangeError(
      `Cannot use hello: it expires at ${hello.expires}, more than ${helloMinutesMax} minutes ahead`,
    )
}

function helloDigest(hello: Hello): Buffer {
  return createHash('sha256').update(canonicalBytes(hello)).digest()
}

const codeSalt = 'orama-enrollment-code-v1'
const codeCost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }

function slowHash(digest: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(digest, codeSalt, 32, codeCost, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}
