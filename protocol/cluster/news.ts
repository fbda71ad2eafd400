import { createHash } from 'node:crypto'
import * as z from 'zod'
import { canonicalText } from '../canonical.ts'
import { sha256Hex } from '../fields.ts'
import { endpointRecordSchema } from './endpoint.ts'
import { parseHold } from './hold.ts'
import { inviteOf } from './member.ts'
import { membershipSchema, membersMax } from './membership.ts'
import { nodeOf } from './rivals.ts'

/** The longest that a node takes from another. */
export const newsBytesMax = 1024 * 1024

/** What is known of a cluster. All of it proves itself, so it does not matter who passes it on, nor how often. */
export const newsSchema = z.strictObject({
  membership: membershipSchema,
  endpoints: z.array(endpointRecordSchema).max(membersMax).readonly(),
})
export type News = z.infer<typeof newsSchema>

/**
 * What nodes tell each other: POST /v1/guardian/news, and 200 to it; also what an agent tells its gateway. The digest is
 * that of what the speaker knows, as it says; the news are all of that, and missing where the other said the same digest,
 * or was not heard yet.
 */
export const newsMessageSchema = z.strictObject({ digest: sha256Hex, news: newsSchema.optional() })
export type NewsMessage = z.infer<typeof newsMessageSchema>

const domain = 'orama-news-v1'

/**
 * SHA-256 in hex, alike for all that cannot learn anything from each other. After the domain it has one line for each of
 * these, as canonical JSON, sorted by UTF-16 code units, whatever the order of the records:
 *
 *   ["appointment", text]           the newest
 *   ["departure", invite or node]   of who is gone the hash of its invite, which makes no other node: of two that came by
 *                                   it each half of a cluster knows the one that it heard first. A genesis: its node id
 *   ["member", node, signature]     not of who is gone; the wallet's signature, which can be spelt twice, does not count
 *   ["hold", text]                  of each member the one that counts; not of who is gone
 *   ["endpoint", node, number]      of members alone: of who is gone one may be kept, and is not taken any more
 */
export function newsDigest({ membership, endpoints }: News): string {
  const { appointment, departures, holds = [] } = membership
  const gone = new Set(departures.map(one => one.node))
  const all = membership.members.map(record => ({ node: nodeOf(record), record }))
  const members = all.filter(({ node }) => !gone.has(node))
  const present = new Set(members.map(({ node }) => node))
  const invites = new Map(all.map(({ node, record }) => [node, inviteOf(record)]))
  const lines = [
    ...(appointment === undefined ? [] : [['appointment', appointment.text]]),
    ...[...gone].map(node => ['departure', invites.get(node) ?? node]),
    ...members.map(({ node, record }) => ['member', node, record.signature]),
    ...holds.filter(({ text }) => present.has(parseHold(text).node)).map(({ text }) => ['hold', text]),
    ...endpoints
      .filter(({ node }) => present.has(node))
      .map(({ node, number }) => ['endpoint', node, number]),
  ]
  const text = [domain, ...lines.map(canonicalText).toSorted()].join('\n')
  return createHash('sha256').update(text).digest('hex')
}
