import { createHash } from 'node:crypto'
import * as z from 'zod'
import { canonicalText } from '../canonical.ts'
import { fromBase64url, sha256Hex } from '../fields.ts'
import { nodeIdOf } from '../hello.ts'
import { endpointRecordSchema } from './endpoint.ts'
import { membershipSchema, membersMax } from './membership.ts'

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
 *   ["departure", node]             of two that are both good the first that came stays, so it does not say which
 *   ["member", node, signature]     not of who is gone; the wallet's signature, which can be spelt twice, does not count
 *   ["hold", text]                  of each node the one that counts
 *   ["endpoint", node, number]      of members alone: of who is gone one may be kept, and is not taken any more
 */
export function newsDigest({ membership, endpoints }: News): string {
  const { appointment, departures, holds = [] } = membership
  const gone = new Set(departures.map(one => one.node))
  const members = membership.members
    .map(({ hello, signature }) => ({ node: nodeIdOf(fromBase64url(hello.identity)), signature }))
    .filter(({ node }) => !gone.has(node))
  const present = new Set(members.map(({ node }) => node))
  const lines = [
    ...(appointment === undefined ? [] : [['appointment', appointment.text]]),
    ...[...gone].map(node => ['departure', node]),
    ...members.map(({ node, signature }) => ['member', node, signature]),
    ...holds.map(({ text }) => ['hold', text]),
    ...endpoints
      .filter(({ node }) => present.has(node))
      .map(({ node, number }) => ['endpoint', node, number]),
  ]
  const text = [domain, ...lines.map(canonicalText).toSorted()].join('\n')
  return createHash('sha256').update(text).digest('hex')
}
