import { createHmac, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { canonicalBytes } from './canonical.ts'
import {
  base64url,
  clusterId,
  counter,
  fromBase64url,
  nodeId,
  signedTextSchema,
  time,
  toBase64url,
  tokenHex,
  uuid,
  wireguardKey,
} from './fields.ts'
import { endpointRecordSchema } from './cluster/endpoint.ts'
import { membershipSchema, membersMax } from './cluster/membership.ts'
import { helloSchema } from './hello.ts'
import { openingsSchema } from './shares/opening.ts'
import { addressSchema } from './wallet.ts'
import { checkPeers, wireguardFields } from './wireguard.ts'

/** A node's WireGuard with its private key: only in its own record. */
export const ownWireguardSchema = z
  .strictObject({ privateKey: wireguardKey, ...wireguardFields })
  .superRefine(checkPeers)
export type OwnWireguard = z.infer<typeof ownWireguardSchema>

/** The body of LUKS2 token `orama-node`: what an enrolled node knows before its disk is open. */
export const nodeRecordSchema = z.strictObject({
  v: z.literal(1),
  revision: counter,
  nodeId,
  cluster: clusterId,
  /** Whose signatures make members: as the grant names it. */
  authority: addressSchema,
  owner: addressSchema,
  ownerPublicKey: base64url({ length: 65 }),
  grant: signedTextSchema,
  hello: helloSchema,
  wireguard: ownWireguardSchema,
  identityPrivate: base64url({ length: 32 }),
  agentToken: tokenHex,
  luksUuid: uuid,
  openings: openingsSchema,
  /** The other nodes of the cluster and this one, as they were checked when they came. */
  membership: membershipSchema,
  /** Where others were last, as they say themselves. */
  endpoints: z.array(endpointRecordSchema).max(membersMax).readonly(),
  /** AES key of the shares that this node holds for others. */
  sharesKey: base64url({ length: 32 }),
  enrolledAt: time,
  lastOrder: counter,
})
export type NodeRecord = z.infer<typeof nodeRecordSchema>

export const signedRecordSchema = z.strictObject({ record: nodeRecordSchema, mac: base64url({ length: 32 }) })
export type SignedRecord = z.infer<typeof signedRecordSchema>

/** Adds HMAC-SHA256 under the 32-byte key of the data partition, over the canonical JSON of the record. */
export function macRecord(record: NodeRecord, key: Uint8Array): SignedRecord {
  const checked = nodeRecordSchema.parse(record)
  return { record: checked, mac: toBase64url(macOf(checked, key)) }
}

/** The record, when its HMAC is right. Throws ZodError for a wrong form, RangeError for an altered record. */
export function checkRecord(signed: unknown, key: Uint8Array): NodeRecord {
  const { record, mac } = signedRecordSchema.parse(signed)
  if (!timingSafeEqual(fromBase64url(mac), macOf(record, key)))
    throw new RangeError('Cannot accept node record: it was not written by this node, or was altered')
  return record
}

function macOf(record: NodeRecord, key: Uint8Array): Buffer {
  if (key.length !== 32) throw new RangeError(`Cannot check node record: key is ${key.length} bytes, need 32`)
  return createHmac('sha256', key).update('orama-node-record-v1\n').update(canonicalBytes(record)).digest()
}
