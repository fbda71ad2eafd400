import { hkdfSync } from 'node:crypto'
import { moveSecret } from '../../protocol/secret.ts'

/** What all gateways of a cluster have alike: 32 bytes, on nodes `serviceKey(clusterSecret, 'gateway')`. */
export const gatewayKeyBytes = 32

/** What keys of a gateway are for: each is worth nothing for another purpose. */
export type Purpose = 'tls-p256' | 'token' | 'nonce' | 'node-tokens' | 'join-answers'

/**
 * A key for one purpose: HKDF-SHA256 of the gateway key, `bytes` long (32 unless told otherwise), to be wiped. The
 * gateway key stays the caller's. Throws RangeError for one of another length.
 */
export function purposeKey(gatewayKey: Uint8Array, purpose: Purpose, bytes = 32): Buffer {
  if (gatewayKey.length !== gatewayKeyBytes)
    throw new RangeError(`Cannot use gateway key: ${gatewayKey.length} bytes, need ${gatewayKeyBytes}`)
  return moveSecret(new Uint8Array(hkdfSync('sha256', gatewayKey, '', `orama-gateway-${purpose}-v1`, bytes)))
}
