import * as z from 'zod'
import { acknowledgementSchema, completionSchema } from '../completion.ts'
import { base64url, clusterId, ipv4, nodeId, sha256Hex, signedTextSchema, tokenHex } from '../fields.ts'
import { helloSchema } from '../hello.ts'
import { completionAnswerSchema } from '../requests.ts'
import { addressSchema } from '../wallet.ts'
import { inviteRightSchema } from './member.ts'

// What a gateway asks of the agent of its node, on a Unix socket. The agent alone has the cluster's secret: it judges
// every join itself, and seals what the node is to know so that no gateway reads it.

/** GET /cluster. */
export const clusterFactsSchema = z.strictObject({
  cluster: clusterId,
  authority: addressSchema,
  /** Of this node. */
  nodeId,
  address: ipv4,
  prefix: z.int().min(16).max(30),
  /** For grants of joins; the same on every node: X25519 of `serviceKey(clusterSecret, 'enrollment')`. */
  gatewayKey: base64url({ length: 32 }),
  /** Of this node, for port 9998: of a genesis no gateway has heard it. */
  agentToken: tokenHex,
})
export type ClusterFacts = z.infer<typeof clusterFactsSchema>

/** POST /join: may this node join, at this address? 200: a Completion for it. 403: no, and why. */
export const admissionSchema = z.strictObject({
  hello: helloSchema,
  grant: signedTextSchema,
  invite: inviteRightSchema,
  claim: base64url({ max: 512 }).optional(),
  /** WireGuard's, that the gateway has reserved. */
  address: ipv4,
})
export type Admission = z.infer<typeof admissionSchema>

/** 200 to POST /join. */
export const admittedSchema = z.strictObject({ completion: completionSchema })

/** POST /joined: what the node answered. The agent opens it, and tells the cluster of its new member. */
export const joinedSchema = z.strictObject({
  /** Hash of the hello, as POST /join had it. */
  hello: sha256Hex,
  answer: completionAnswerSchema,
})

/** 200 to POST /joined. */
export const joinedAnswerSchema = z.strictObject({ acknowledgement: acknowledgementSchema })

// GET /news and POST /news: News (news.ts), as between nodes.
