const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const rfc4648 = 'abcdefghijklmnopqrstuvwxyz234567'

/** The first `characters` characters of Crockford base32, upper case. */
export function crockfordBase32(bytes: Uint8Array, characters: number): string {
  return encode(bytes, { alphabet: crockford, characters })
}

/** The first `characters` characters of RFC 4648 base32, lower case, without padding. */
export function lowerBase32(bytes: Uint8Array, characters: number): string {
  return encode(bytes, { alphabet: rfc4648, characters })
}

function encode(bytes: Uint8Array, how: { alphabet: string; characters: number }): string {
  if (bytes.length * 8 < how.characters * 5) throw new RangeError('Cannot encode base32: too few bytes')
  let text = ''
  for (let at = 0; at < how.characters; at++) text += how.alphabet.charAt(fiveBits(bytes, at * 5))
  return text
}

function fiveBits(bytes: Uint8Array, bit: number): number {
  const byte = bit >> 3
  const word = ((bytes[byte] ?? 0) << 8) | (bytes[byte + 1] ?? 0)
  return (word >> (11 - (bit & 7))) & 31
}
