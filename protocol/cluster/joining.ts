import { createHash } from 'node:crypto'
import * as z from 'zod'
import { acknowledgementSchema } from '../completion.ts'
import {
  base64url,
  clusterId,
  fromBase64url,
  sha256Hex,
  type SignedText,
  signedTextSchema,
  time,
} from '../fields.ts'
import { type Hello, helloSchema } from '../hello.ts'
import { openFrom, sealTo } from '../seal.ts'
import { addressSchema } from '../wallet.ts'
import { inviteProofSchema } from './invite.ts'
import { memberRecordSchema } from './member.ts'

// How an operator has a node join its cluster, by a gateway: docs/enrollment.md.

/** GET /v1/node/enroll: what the grant for a join has to name. The gateway's key is the same at every gateway. */
export const joinOfferSchema = z.strictObject({
  cluster: clusterId,
  authority: addressSchema,
  gatewayKey: base64url({ length: 32 }),
})
export type JoinOffer = z.infer<typeof joinOfferSchema>

/** GET /v1/node/hello?code=CODE: of a node that has called the gateway and waits. */
export const waitingHelloSchema = z.strictObject({ hello: helloSchema })

/** POST /v1/node/enroll: all that a gateway needs to bring a node into its cluster. */
export const joinRequestSchema = z.strictObject({
  hello: helloSchema,
  grant: signedTextSchema,
  proof: inviteProofSchema,
  /** Of `signAsking`: the answer has the agent's token in it. */
  asking: base64url({ length: 64 }),
  /** The claim word, sealed to the node by `sealClaim`; absent where its operator file names the owner. */
  claim: base64url({ max: 512 }).optional(),
})
export type JoinRequest = z.infer<typeof joinRequestSchema>

/** 200 to it: the node is enrolled, says so itself, and is a member. Whoever asks verifies both. */
export const joinAnswerSchema = z.strictObject({
  acknowledgement: acknowledgementSchema,
  member: memberRecordSchema,
})
export type JoinAnswer = z.infer<typeof joinAnswerSchema>

/** POST /v1/node/member: of a node that has joined, and of which nobody knows since its answer was lost. 200: `{nodeId}`. */
export const memberRequestSchema = z.strictObject({ member: memberRecordSchema })

/** POST /v1/operator/invite: an invite that may be used from now on. 201: an `InviteEntry`. */
export const inviteRequestSchema = z.strictObject({ voucher: signedTextSchema })

/** POST /v1/operator/revoke. 200: an `InviteEntry`. */
export const revokeRequestSchema = z.strictObject({ tokenHash: sha256Hex })

export const inviteStates = ['open', 'reserved', 'spent', 'expired', 'revoked'] as const

export const inviteEntrySchema = z.strictObject({
  tokenHash: sha256Hex,
  /** Who signed the voucher. */
  operator: addressSchema,
  issued: time,
  expires: time,
  state: z.enum(inviteStates),
  /** Hash of the hello of the enrollment that has reserved or spent it. */
  hello: sha256Hex.optional(),
})
export type InviteEntry = z.infer<typeof inviteEntrySchema>

/** GET /v1/operator/invites. */
export const inviteListSchema = z.strictObject({ invites: z.array(inviteEntrySchema).max(256) })

/**
 * Seals the claim word to the node, for this grant alone, as its owner signed it: a gateway that learned the word, or
 * could sign the same text with a wallet of its own, could enroll the node for another owner.
 */
export function sealClaim(claim: string, { hello, grant }: ClaimBox): string {
  return sealTo(fromBase64url(hello.enrollment), claimContext(grant), Buffer.from(claim))
}

/** The node's half. Throws RangeError for a box of another node, grant or signature. */
export function openClaim(
  box: string,
  of: Pick<ClaimBox, 'grant'> & { readonly enrollmentPrivate: Uint8Array },
): string {
  const plain = openFrom(of.enrollmentPrivate, claimContext(of.grant), box)
  try {
    return plain.toString('utf8')
  } finally {
    plain.fill(0)
  }
}

type ClaimBox = { readonly hello: Hello; readonly grant: SignedText }

function claimContext({ text, signature }: SignedText): string {
  return `orama-claim-v1|${createHash('sha256').update(`${text}\n${signature}`).digest('hex')}`
}
