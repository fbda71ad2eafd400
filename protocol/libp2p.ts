import { publicOf } from './keys.ts'
import { lend, secretBuffer } from './secret.ts'

/**
 * How libp2p writes Ed25519 keys: protobuf messages of two fields, type and data.
 *
 * | Bytes         | Private key | Public key |
 * |---------------|-------------|------------|
 * | type, Ed25519 | `08 01`     | `08 01`    |
 * | data, length  | `12 40`     | `12 20`    |
 * | data          | seed, public key | public key |
 */
const privatePrefix = Uint8Array.of(0x08, 0x01, 0x12, 0x40)
const publicPrefix = Uint8Array.of(0x08, 0x01, 0x12, 0x20)
/** A multihash "identity", of 36 bytes: a key this short is its own hash. */
const identityPrefix = Uint8Array.of(0x00, 0x24)

/** The private key of an Ed25519 seed as libp2p's programs keep it, in base64; ASCII bytes, to be wiped. */
export async function libp2pKey(seed: Uint8Array): Promise<Buffer> {
  const message = secretBuffer(privatePrefix.length + 64)
  message.set(privatePrefix)
  message.set(seed, privatePrefix.length)
  message.set(publicOf('ed25519', seed), privatePrefix.length + 32)
  return lend(message, base64Bytes)
}

/** The peer id of an Ed25519 seed: 52 characters from '12D3KooW'. */
export function libp2pId(seed: Uint8Array): string {
  return base58(Buffer.concat([identityPrefix, publicPrefix, publicOf('ed25519', seed)]))
}

const base64Alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')

/** Base64 into bytes that can be wiped, which a string cannot. */
function base64Bytes(bytes: Uint8Array): Buffer {
  const text = secretBuffer(Math.ceil(bytes.length / 3) * 4).fill('=')
  for (let at = 0, out = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(at, at + 3)
    const word = (a << 16) | (b << 8) | c
    const digits = Math.min(bytes.length - at, 3) + 1
    for (let digit = 0; digit < digits; digit++)
      text[out + digit] = base64Alphabet[(word >> (18 - 6 * digit)) & 63] ?? 0
    out += 4
  }
  return text
}

const base58Alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** Bitcoin's base58: the number in big-endian order, and a '1' for each leading zero byte. */
function base58(bytes: Uint8Array): string {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = base58Alphabet.charAt(Number(number % 58n)) + text
  const zeros = bytes.findIndex(byte => byte !== 0)
  return '1'.repeat(zeros) + text
}
