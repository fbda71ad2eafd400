import * as z from 'zod'

/** base64url without padding of exactly `length` bytes, or of 1 to `max` bytes. Refuses loose spellings. */
export function base64url(size: { readonly length: number } | { readonly max: number }) {
  const max = 'length' in size ? size.length : size.max
  return z
    .string()
    .max(Math.ceil((max * 4) / 3))
    .regex(/^[A-Za-z0-9_-]+$/, 'not base64url')
    .refine(text => isExact(text, 'base64url'), 'not base64url in its one spelling')
    .refine(text => !('length' in size) || fromBase64url(text).length === size.length, `not ${max} bytes`)
}

/** A WireGuard public key or private key: 32 bytes in standard base64, 44 characters, as `wg` prints it. */
export const wireguardKey = z
  .string()
  .length(44)
  .regex(/^[A-Za-z0-9+/]{43}=$/, 'not a WireGuard key')
  .refine(text => isExact(text, 'base64'), 'not base64 in its one spelling')

/** SHA-256 in lower-case hex. */
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'not 64 lower-case hex digits')

/** A bearer token: 32 random bytes in lower-case hex. */
export const tokenHex = sha256Hex

/** A cluster's id: 16 random bytes in lower-case hex. */
export const clusterId = z.string().regex(/^[0-9a-f]{32}$/, 'not 32 lower-case hex digits')

/** 'n' and 16 characters of RFC 4648 base32 in lower case: see `nodeIdOf` in hello.ts. */
export const nodeId = z.string().regex(/^n[a-z2-7]{16}$/, 'not a node id')

/** The UUID of a LUKS header, lower case. */
export const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'not a UUID')

/** Eight characters of Crockford base32, upper case. */
export const enrollmentCodeText = z.string().regex(/^[0-9A-HJKMNP-TV-Z]{8}$/, 'not an enrollment code')

/** Six characters of Crockford base32, upper case. */
export const claimWordText = z.string().regex(/^[0-9A-HJKMNP-TV-Z]{6}$/, 'not a claim word')

/** RFC 3339 in UTC with whole seconds: 2026-11-21T08:00:00Z. */
export const time = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'not a time such as 2026-11-21T08:00:00Z')
  .refine(isDate, 'no such date')

const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'

/** An IPv4 address in its one spelling: no leading zeros. */
export const ipv4 = z.string().regex(new RegExp(`^${octet}(\\.${octet}){3}$`), 'not an IPv4 address')

/** A program version: what may stand in os-release, an HTTP header and on a console. Short: each node stores all hellos. */
export const version = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+~-]{0,31}$/, 'not a version')

/** An integer that JSON carries exactly, from 0. */
export const counter = z.int().min(0)

/** An EIP-191 signature: 0x, r, s, v in hex. What it is worth is decided by `recoverSigner`. */
export const signatureHex = z.string().regex(/^0x[0-9a-f]{130}$/, 'not a wallet signature')

/** A text and the wallet signature over exactly this text. */
export const signedTextSchema = z.strictObject({
  text: z.string().min(1).max(32_768),
  signature: signatureHex,
})
export type SignedText = z.infer<typeof signedTextSchema>

export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** Bytes of text that a schema has already accepted; secrets do not go this way. */
export function fromBase64url(text: string): Buffer {
  return Buffer.from(text, 'base64url')
}

/** A date as the protocol writes times, fractions of a second cut off. */
export function formatTime(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}

function isExact(text: string, encoding: 'base64' | 'base64url'): boolean {
  return Buffer.from(text, encoding).toString(encoding) === text
}

function isDate(text: string): boolean {
  const date = new Date(text)
  return !Number.isNaN(date.getTime()) && formatTime(date) === text
}
