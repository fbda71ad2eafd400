import * as z from 'zod'
import { endpointRecordSchema } from './endpoint.ts'
import { membershipSchema, membersMax } from './membership.ts'

/** The longest that a node takes from another. */
export const newsBytesMax = 1024 * 1024

/**
 * What nodes tell each other of their cluster: POST /v1/guardian/news, and 200 to it. All of it proves itself, so it
 * does not matter who passes it on, nor how often.
 */
export const newsSchema = z.strictObject({
  membership: membershipSchema,
  endpoints: z.array(endpointRecordSchema).max(membersMax).readonly(),
})
export type News = z.infer<typeof newsSchema>
