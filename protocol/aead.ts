import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { moveSecret } from './secret.ts'

const nonceBytes = 12
const tagBytes = 16
/** So much longer than its plaintext is a box. */
export const boxMoreBytes = nonceBytes + tagBytes

/** AES-256-GCM under a key that serves one purpose: random nonce (12 bytes), ciphertext, tag (16). */
export function encrypt(key: Uint8Array, associated: string, plaintext: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(associated))
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** Opens what `encrypt` made. The bytes are the caller's to wipe. Throws RangeError. */
export function decrypt(key: Uint8Array, associated: string, box: Uint8Array): Buffer {
  const bytes = Buffer.from(box.buffer, box.byteOffset, box.length)
  if (bytes.length < boxMoreBytes) throw new RangeError('Cannot open box: it is too short')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(Buffer.from(associated))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  const plaintext = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
  try {
    decipher.final()
  } catch (cause) {
    plaintext.fill(0)
    throw new RangeError('Cannot open box: wrong key, or it was altered', { cause })
  }
  return plaintext.length <= 4096 ? moveSecret(plaintext) : plaintext
}
