import { serviceKey } from '../../protocol/cluster-secret.ts'
import { toBase64url } from '../../protocol/fields.ts'
import { publicOf } from '../../protocol/keys.ts'

export type EnrollmentKey = { readonly privateKey: Buffer; readonly publicKey: string }

/**
 * Lends the X25519 key by which configurations of joins are sealed, and which grants name. It comes of the cluster's
 * secret: every node has the same one, and no gateway has it.
 */
export async function withEnrollmentKey<T>(
  clusterSecret: Uint8Array,
  use: (key: EnrollmentKey) => T | Promise<T>,
): Promise<T> {
  const privateKey = serviceKey(clusterSecret, 'enrollment')
  try {
    return await use({ privateKey, publicKey: toBase64url(publicOf('x25519', privateKey)) })
  } finally {
    privateKey.fill(0)
  }
}
