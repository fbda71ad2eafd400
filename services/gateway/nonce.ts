import { createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { canonicalBytes } from '../../protocol/canonical.ts'
import { fromBase64url, toBase64url } from '../../protocol/fields.ts'
import type { Challenge } from '../../protocol/login.ts'

// A nonce is 16 random bytes and a MAC over them and all other fields of its challenge. So a gateway knows what it, or
// another of its cluster, has issued without keeping it: strangers who ask for challenges fill no memory.

const randomLength = 16
const macLength = 16

/** The challenge of these fields, with a new nonce. */
export function issueChallenge(fields: Omit<Challenge, 'nonce'>, key: KeyObject): Challenge {
  const random = randomBytes(randomLength)
  return { ...fields, nonce: toBase64url(Buffer.concat([random, macOf(fields, random, key)])) }
}

/** True when a gateway of this cluster issued exactly this challenge. */
export function wasIssued({ nonce, ...fields }: Challenge, key: KeyObject): boolean {
  const bytes = fromBase64url(nonce)
  const random = bytes.subarray(0, randomLength)
  return timingSafeEqual(bytes.subarray(randomLength), macOf(fields, random, key))
}

function macOf(fields: Omit<Challenge, 'nonce'>, random: Buffer, key: KeyObject): Buffer {
  const mac = createHmac('sha256', key).update('orama-login-nonce-v1\n').update(random)
  return mac.update(canonicalBytes(fields)).digest().subarray(0, macLength)
}
