// Typed arrays of up to 64 bytes live on V8's moving heap, which leaves stale copies behind; a slice of a
// page allocated outside it stays in one place and can be wiped.
const pageBytes = 4096

/** A zeroed buffer outside V8's heap; whoever asks for it wipes it. */
export function secretBuffer(length: number): Buffer {
  if (length > pageBytes)
    throw new RangeError(`Cannot make secret: ${length} bytes is more than ${pageBytes}`)
  return Buffer.allocUnsafeSlow(pageBytes).fill(0).subarray(0, length)
}

/** Moves bytes into a buffer outside V8's heap and wipes where they came from. */
export function moveSecret(from: Uint8Array): Buffer {
  const secret = secretBuffer(from.length)
  secret.set(from)
  from.fill(0)
  return secret
}

/** Lends a secret to a block and wipes it at its end, whichever way that comes. */
export async function lend<T>(secret: Uint8Array, use: (secret: Uint8Array) => T | Promise<T>): Promise<T> {
  try {
    return await use(secret)
  } finally {
    secret.fill(0)
  }
}
