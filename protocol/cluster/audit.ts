import * as z from 'zod'
import { nodeId, time } from '../fields.ts'

const text = z.string().min(1).max(1024)

/** One thing that somebody asked a gateway for, and what came of it. */
export const auditEntrySchema = z.strictObject({
  at: time,
  /** A wallet's address, a node id, or `anybody`. */
  who: text,
  what: text,
  node: nodeId.optional(),
  outcome: text,
  requestId: text,
})
export type AuditEntry = z.infer<typeof auditEntrySchema>

export const auditPageMax = 256

/** GET /v1/operator/audit: the newest first. */
export const auditPageSchema = z.strictObject({
  entries: z.array(auditEntrySchema).max(auditPageMax).readonly(),
  /** Where the next page begins; absent after the last. */
  cursor: z.int().min(1).optional(),
})
export type AuditPage = z.infer<typeof auditPageSchema>
