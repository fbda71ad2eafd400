import { hkdfSync } from 'node:crypto'

export const clusterSecretBytes = 32

/**
 * The password of a service in a cluster, 64 hex digits: HKDF-SHA256 (RFC 5869) of the cluster's secret, which
 * lies on data partitions and with operators only, so that all nodes and operators agree on it.
 */
export function servicePassword(clusterSecret: Uint8Array, service: string): string {
  if (clusterSecret.length !== clusterSecretBytes)
    throw new RangeError(
      `Cannot use cluster secret: ${clusterSecret.length} bytes, need ${clusterSecretBytes}`,
    )
  const derived = hkdfSync('sha256', clusterSecret, '', `orama-service-password-v1|${service}`, 32)
  return Buffer.from(derived).toString('hex')
}
