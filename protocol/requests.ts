import * as z from 'zod'
import { base64url, nodeId, signedTextSchema } from './fields.ts'
import { endpoint } from './wireguard.ts'
import { memberRecordSchema } from './cluster/member.ts'

// The bodies of the agent's routes; that of GET /v1/agent/status is in status.ts, those of an unlock in unlock.ts.

/** Every answer that is not a success. */
export const errorSchema = z.object({ error: z.string().max(4096), hint: z.string().max(4096).optional() })
export type ErrorAnswer = z.infer<typeof errorSchema>

/** 200 to POST /v1/agent/enroll/complete: an Acknowledgement sealed by `sealReply`. */
export const completionAnswerSchema = z.strictObject({
  v: z.literal(1),
  box: base64url({ max: 8192 }),
  /** For its peers, who know it by nothing else. */
  member: memberRecordSchema,
})
export type CompletionAnswer = z.infer<typeof completionAnswerSchema>

/** POST /v1/agent/acknowledgement. The order's arguments are {"ephemeral": the same key}. */
export const acknowledgementRequestSchema = z.strictObject({
  order: signedTextSchema,
  ephemeral: base64url({ length: 32 }),
})
export type AcknowledgementRequest = z.infer<typeof acknowledgementRequestSchema>

/** 200 to it: the Acknowledgement as JSON, in a box of `sealTo` for the ephemeral key. */
export const acknowledgementAnswerSchema = z.strictObject({ box: base64url({ max: 8192 }) })
export type AcknowledgementAnswer = z.infer<typeof acknowledgementAnswerSchema>

/** What that box is bound to. */
export const acknowledgementContext = 'orama-acknowledgement-v1'

/** GET /v1/agent/logs: how many of the newest lines may be asked for, and how many come unasked. */
export const logLines = { min: 1, max: 1000, fallback: 100 } as const

/** POST /v1/agent/command. */
export const commandActions = [
  'restart',
  'stop',
  'start',
  'status',
  'seccomp',
  'leave',
  'reboot',
  'update',
] as const

/** More of them: each needs an `order`, which the authority has signed, an operator, and for the last three the owner. */
export const clusterActions = ['appoint', 'hold', 'release', 'evict', 'escrow', 'endpoints', 'rekey'] as const

/** Changes nothing and needs no order: whom the authority appointed, as far as the node knows. */
export const operatorsAction = 'operators'

/** 200 to it: the newest appointment, which proves itself; absent while there was none. */
export const operatorsAnswerSchema = z.strictObject({ appointment: signedTextSchema.optional() })

/** What becomes of a system call that a service's filter does not allow: it fails, or is only noted. */
export const seccompModes = ['enforce', 'audit'] as const
export type SeccompMode = (typeof seccompModes)[number]

export const commandSchema = z.strictObject({
  action: z.enum([...commandActions, ...clusterActions, operatorsAction]),
  service: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/, 'not a service name')
    .optional(),
  /** For `seccomp`. `audit` weakens the sandbox: it needs `order` with the arguments {"mode", "service"}. */
  mode: z.enum(seccompModes).optional(),
  /** For `leave`, in the arguments of its order as well: although others lose what they need. */
  force: z.literal('yes').optional(),
  /** For `endpoints`: where these nodes are, by node id; the same in the arguments of its order. */
  endpoints: z
    .record(nodeId, endpoint)
    .refine(all => Object.keys(all).length <= 64, 'more than 64 endpoints')
    .optional(),
  /**
   * An order of this node's owner; for `hold` and `release` a text of `composeHold`, for `evict` of `composeEviction`,
   * for `appoint` of `composeAppointment`.
   */
  order: signedTextSchema.optional(),
})
export type Command = z.infer<typeof commandSchema>
