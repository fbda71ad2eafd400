import { combine, split } from 'shamir-secret-sharing'
import { moveSecret, secretBuffer } from '../secret.ts'

const secretBytes = 32
// Results of up to 64 bytes would lie on V8's moving heap, where they cannot be wiped; so the secret is followed by
// zeros, which also show whether the shares that were combined belong together.
const paddedBytes = 96
/** A share: 96 bytes of y, then x, from 1 to 255, as the library lays it out. */
export const shareBytes = paddedBytes + 1

/**
 * Splits a secret of 32 bytes: any `threshold` of the `count` shares make it again, fewer say nothing about it. The
 * shares lie outside V8's heap and are the caller's to wipe. Throws RangeError for numbers that make no sense.
 */
export async function splitSecret(
  secret: Uint8Array,
  of: { readonly count: number; readonly threshold: number },
): Promise<readonly Buffer[]> {
  if (secret.length !== secretBytes)
    throw new RangeError(`Cannot split secret: ${secret.length} bytes, need ${secretBytes}`)
  if (of.threshold < 2 || of.threshold > of.count || of.count > 255)
    throw new RangeError(`Cannot split secret: ${of.threshold} of ${of.count} shares`)
  const padded = secretBuffer(paddedBytes)
  padded.set(secret)
  try {
    const shares = await split(plain(padded), of.count, of.threshold)
    return shares.map(moveSecret)
  } finally {
    padded.fill(0)
  }
}

/**
 * The secret of at least `threshold` shares that were checked against their hashes. It lies outside V8's heap, the
 * caller wipes it. Throws RangeError where they are no shares of one secret: this alone is no check of a share, it
 * cannot say whose is wrong.
 */
export async function combineShares(shares: readonly Uint8Array[]): Promise<Buffer> {
  checkShares(shares)
  const padded = moveSecret(await combine(shares.map(plain)))
  const secret = moveSecret(padded.subarray(0, secretBytes))
  const isWhole = padded.subarray(secretBytes).every(byte => byte === 0)
  padded.fill(0)
  if (isWhole) return secret
  secret.fill(0)
  throw new RangeError('Cannot combine shares: they are too few, or do not belong together')
}

/** The x of a share. Throws RangeError for what is no share: 0 would decide the result alone. */
export function shareX(share: Uint8Array): number {
  const x = share[paddedBytes]
  if (share.length !== shareBytes || x === undefined || x === 0)
    throw new RangeError('Cannot use share: wrong length, or x is 0')
  return x
}

function checkShares(shares: readonly Uint8Array[]): void {
  if (shares.length < 2) throw new RangeError('Cannot combine shares: need two or more')
  if (new Set(shares.map(shareX)).size !== shares.length)
    throw new RangeError('Cannot combine shares: two have the same x')
}

/** The same bytes as the library wants them: it refuses a Buffer. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
