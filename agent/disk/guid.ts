/**
 * A GUID as text, upper-case, from its 16 bytes on the disk: the first three groups are little-endian, the
 * last two big-endian (UEFI specification, appendix A).
 */
export function guidFromBytes(bytes: Uint8Array): string {
  const hex = reorder(Buffer.from(bytes)).toString('hex').toUpperCase()
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** The 16 bytes of a GUID. Throws SyntaxError for text that is not one. */
export function guidToBytes(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    throw new SyntaxError(`Cannot use '${text}' as a GUID`)
  return reorder(Buffer.from(text.replaceAll('-', ''), 'hex'))
}

/** Swaps the first three groups; its own inverse. */
function reorder(bytes: Buffer): Buffer {
  const swapped = Buffer.from(bytes)
  swapped.subarray(0, 4).reverse()
  swapped.subarray(4, 6).reverse()
  swapped.subarray(6, 8).reverse()
  return swapped
}
