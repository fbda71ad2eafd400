import * as z from 'zod'
import { canonicalBytes } from '../canonical.ts'
import {
  base64url,
  clusterId,
  fromBase64url,
  nodeId,
  type SignedText,
  signedTextSchema,
  time,
  toBase64url,
} from '../fields.ts'
import type { Hello } from '../hello.ts'
import { signBytes, verifyBytes } from '../keys.ts'
import { composeLines, parseLines } from '../lines.ts'
import { recoverSigner } from '../wallet.ts'
import { mayVouch, type Trust } from './trust.ts'

/** What an operator signs to put a node out of its cluster. */
export const evictionSchema = z.strictObject({
  cluster: clusterId,
  node: nodeId,
  /** `yes`: although some node would then have too few holders of its shares. */
  force: z.enum(['yes', 'no']),
  issued: time,
})
export type Eviction = z.infer<typeof evictionSchema>

const form = { first: 'OramaOS eviction v1', names: ['cluster', 'node', 'force', 'issued'] } as const

/** The text of an eviction, as the wallet signs it. */
export function composeEviction(eviction: Eviction): string {
  return composeLines(form, evictionSchema.parse(eviction))
}

/** Reads the text of an eviction. Throws SyntaxError. */
export function parseEviction(text: string): Eviction {
  if (text.length > 1024) throw new SyntaxError('Cannot read eviction: it is too long')
  const parsed = evictionSchema.safeParse(parseLines(form, text))
  if (!parsed.success) throw new SyntaxError(`Cannot read eviction: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

/** That a node is a member no more, for ever: its keys never come back. Signed by itself, or by an operator. */
export const departureSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('left'),
    cluster: clusterId,
    node: nodeId,
    at: time,
    /** By the node's lease key: a copy of its disk cannot make it leave. */
    signature: base64url({ length: 64 }),
  }),
  z.strictObject({ kind: z.literal('evicted'), node: nodeId, order: signedTextSchema }),
])
export type Departure = z.infer<typeof departureSchema>
type Left = Extract<Departure, { kind: 'left' }>

const domain = 'orama-departure-v1'

/** Signs with the raw lease key (32-byte seed) that this node leaves. */
export function signLeaving(facts: Omit<Left, 'kind' | 'signature'>, leasePrivate: Uint8Array): Departure {
  const left = { kind: 'left', ...facts }
  const signature = toBase64url(signBytes(domain, canonicalBytes(left), leasePrivate))
  return departureSchema.parse({ ...left, signature })
}

export function evicted(node: string, order: SignedText): Departure {
  return { kind: 'evicted', node, order }
}

/** When, in Unix milliseconds, as its signer says. */
export function departedMs(departure: Departure): number {
  return Date.parse(departure.kind === 'left' ? departure.at : parseEviction(departure.order.text).issued)
}

/** Throws SyntaxError or RangeError unless this departure of a member with this hello counts. */
export function checkDeparture(departure: Departure, hello: Hello, trust: Trust): void {
  if (departure.kind === 'left') checkLeaving(departure, hello, trust)
  else checkEviction(departure, trust)
}

function checkLeaving({ signature, ...facts }: Left, hello: Hello, trust: Trust): void {
  if (facts.cluster !== trust.cluster)
    throw new RangeError('Cannot accept departure: it is from another cluster')
  const by = { signature: fromBase64url(signature), identity: fromBase64url(hello.lease) }
  if (!verifyBytes(domain, canonicalBytes(facts), by))
    throw new RangeError(`Cannot accept departure: ${facts.node} did not sign it`)
}

function checkEviction({ node, order }: Extract<Departure, { kind: 'evicted' }>, trust: Trust): void {
  const eviction = parseEviction(order.text)
  if (eviction.cluster !== trust.cluster || eviction.node !== node)
    throw new RangeError('Cannot accept eviction: it is for another node or cluster')
  const { address } = recoverSigner(order.text, order.signature)
  if (!mayVouch(trust, address, eviction.issued))
    throw new RangeError(`Cannot accept eviction: signed by ${address}, who is no operator of this cluster`)
}
