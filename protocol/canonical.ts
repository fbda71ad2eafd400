import canonicalize from 'canonicalize'

/** The RFC 8785 bytes of a JSON value: what is hashed, signed and authenticated. Throws TypeError for what is no JSON. */
export function canonicalBytes(value: unknown): Uint8Array {
  return Buffer.from(canonicalText(value))
}

/** The RFC 8785 text of a JSON value. */
export function canonicalText(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('Cannot write canonical JSON: the value is no JSON')
  return text
}
