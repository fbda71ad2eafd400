import * as z from 'zod'
import { canonicalBytes } from '../canonical.ts'
import { base64url, clusterId, counter, fromBase64url, nodeId, toBase64url } from '../fields.ts'
import type { Hello } from '../hello.ts'
import { signBytes, verifyBytes } from '../keys.ts'
import { endpoint } from '../wireguard.ts'

/**
 * Where a node can be reached, as it says itself: a hint, which WireGuard proves or not. The number rises with each
 * of its records; where two are alike the first that came stays.
 */
export const endpointRecordSchema = z.strictObject({
  cluster: clusterId,
  node: nodeId,
  number: counter,
  endpoint,
  /** By the identity key: a locked node has to say where it is. */
  signature: base64url({ length: 64 }),
})
export type EndpointRecord = z.infer<typeof endpointRecordSchema>

const domain = 'orama-endpoint-v1'

/** Signs with the raw identity key (32-byte seed). */
export function signEndpoint(
  facts: Omit<EndpointRecord, 'signature'>,
  identityPrivate: Uint8Array,
): EndpointRecord {
  const signature = toBase64url(signBytes(domain, canonicalBytes(facts), identityPrivate))
  return endpointRecordSchema.parse({ ...facts, signature })
}

/** True when the node of this hello, in this cluster, made the record. */
export function isEndpointOf(
  record: EndpointRecord,
  of: { readonly hello: Hello; readonly cluster: string },
): boolean {
  const { signature, ...facts } = record
  const by = { signature: fromBase64url(signature), identity: fromBase64url(of.hello.identity) }
  return facts.cluster === of.cluster && verifyBytes(domain, canonicalBytes(facts), by)
}
