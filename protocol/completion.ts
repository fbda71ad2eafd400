import * as z from 'zod'
import { canonicalBytes } from './canonical.ts'
import { endpointRecordSchema } from './cluster/endpoint.ts'
import { inviteRightSchema } from './cluster/member.ts'
import { membershipSchema, membersMax } from './cluster/membership.ts'
import {
  base64url,
  clusterId,
  fromBase64url,
  ipv4,
  nodeId,
  sha256Hex,
  signedTextSchema,
  toBase64url,
  tokenHex,
  uuid,
  wireguardKey,
} from './fields.ts'
import { helloHash, nodeIdOf } from './hello.ts'
import type { Hello } from './hello.ts'
import { signBytes, verifyBytes } from './keys.ts'
import { addressSchema, sameAddress } from './wallet.ts'
import type { Address } from './wallet.ts'
import { wireguardSchema } from './wireguard.ts'

/** The largest body of POST /v1/agent/enroll/complete. */
export const completionBytesMax = 1024 * 1024

/** The body of POST /v1/agent/enroll/complete: a signed grant, and boxes for the node (seal.ts, cluster/joining.ts). */
export const completionSchema = z.strictObject({
  v: z.literal(1),
  grant: signedTextSchema,
  ephemeral: base64url({ length: 32 }),
  box: base64url({ max: 760 * 1024 }),
  /**
   * The claim word as the operator read it on the console, by `sealClaim`; needed where no operator file names the
   * owner. Apart from the box, since a gateway's node that makes that one must not learn it.
   */
  claim: base64url({ max: 512 }).optional(),
})
export type Completion = z.infer<typeof completionSchema>

/** What a node that joins is told of its cluster. All of it proves itself: see cluster/. */
const joinSchema = z.strictObject({
  invite: inviteRightSchema,
  membership: membershipSchema,
  endpoints: z.array(endpointRecordSchema).max(membersMax).readonly(),
})

/** What the box of a completion holds. */
export const enrollmentConfigSchema = z.strictObject({
  v: z.literal(1),
  cluster: clusterId,
  /** What all nodes of a cluster share, 32 bytes: passwords of services come from it (cluster-secret.ts). */
  clusterSecret: base64url({ length: 32 }),
  wireguard: wireguardSchema,
  /** To a join: by what right the node is in the cluster, and who else is. */
  join: joinSchema.optional(),
})
export type EnrollmentConfig = z.infer<typeof enrollmentConfigSchema>

/** What the node says when it is enrolled; the agent token makes it a secret between node and operator. */
export const acknowledgementSchema = z.strictObject({
  v: z.literal(1),
  nodeId,
  hello: sha256Hex,
  owner: addressSchema,
  cluster: clusterId,
  luksUuid: uuid,
  agentToken: tokenHex,
  wireguard: z.strictObject({ publicKey: wireguardKey, address: ipv4 }),
  signature: base64url({ length: 64 }),
})
export type Acknowledgement = z.infer<typeof acknowledgementSchema>

const domain = 'orama-acknowledgement-v1'

/** Signs with the node's raw identity key (32-byte seed), over the canonical JSON of all other fields. */
export function signAcknowledgement(
  facts: Omit<Acknowledgement, 'signature'>,
  identityPrivate: Uint8Array,
): Acknowledgement {
  const signature = toBase64url(signBytes(domain, canonicalBytes(facts), identityPrivate))
  return acknowledgementSchema.parse({ ...facts, signature })
}

export type AcknowledgementExpectation = {
  readonly hello: Hello
  readonly owner: Address
  readonly cluster: string
}

/**
 * Checks that the node of this hello acknowledged this owner and cluster.
 * Throws ZodError for a wrong form, RangeError naming the field that is not as expected.
 */
export function verifyAcknowledgement(value: unknown, expected: AcknowledgementExpectation): Acknowledgement {
  const acknowledgement = acknowledgementSchema.parse(value)
  const identity = fromBase64url(expected.hello.identity)
  const { signature, ...facts } = acknowledgement
  if (!verifyBytes(domain, canonicalBytes(facts), { signature: fromBase64url(signature), identity }))
    throw new RangeError('Cannot accept acknowledgement: not signed by the key of the hello')
  const wrong = differences(acknowledgement, expected)
  if (wrong.length > 0) throw new RangeError(`Cannot accept acknowledgement: another ${wrong.join(', ')}`)
  return acknowledgement
}

function differences(found: Acknowledgement, expected: AcknowledgementExpectation): readonly string[] {
  const checks = {
    'node id': found.nodeId === nodeIdOf(fromBase64url(expected.hello.identity)),
    hello: found.hello === helloHash(expected.hello),
    owner: sameAddress(found.owner, expected.owner),
    cluster: found.cluster === expected.cluster,
    'WireGuard key': found.wireguard.publicKey === expected.hello.wireguard,
  }
  return Object.entries(checks).flatMap(([name, good]) => (good ? [] : [name]))
}
