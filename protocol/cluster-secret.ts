import { hkdfSync } from 'node:crypto'
import { moveSecret } from './secret.ts'

export const clusterSecretBytes = 32

/**
 * The password of a service in a cluster, 64 hex digits: HKDF-SHA256 (RFC 5869) of the cluster's secret, which lies on
 * data partitions and with the owner of the genesis only, so that they all agree on it.
 */
export function servicePassword(clusterSecret: Uint8Array, service: string): string {
  return derive(clusterSecret, `orama-service-password-v1|${service}`).toString('hex')
}

/** 32 bytes, to be wiped, that all nodes have for a service: the key of its network. */
export function serviceKey(clusterSecret: Uint8Array, service: string): Buffer {
  return derive(clusterSecret, `orama-service-key-v1|${service}`)
}

/**
 * The Ed25519 seed, to be wiped, by which a service of one node is known to its kind on other nodes. Every node of
 * the cluster can derive it: so they know each other's public keys without asking, and trust each other as nodes.
 */
export function serviceIdentity(
  clusterSecret: Uint8Array,
  { service, nodeId }: { readonly service: string; readonly nodeId: string },
): Buffer {
  return derive(clusterSecret, `orama-service-identity-v1|${service}|${nodeId}`)
}

function derive(clusterSecret: Uint8Array, info: string): Buffer {
  if (clusterSecret.length !== clusterSecretBytes)
    throw new RangeError(
      `Cannot use cluster secret: ${clusterSecret.length} bytes, need ${clusterSecretBytes}`,
    )
  return moveSecret(new Uint8Array(hkdfSync('sha256', clusterSecret, '', info, 32)))
}
