import * as z from 'zod'
import { canonicalBytes } from '../canonical.ts'
import { base64url, clusterId, counter, fromBase64url, nodeId, toBase64url } from '../fields.ts'
import type { Hello } from '../hello.ts'
import { signBytes, verifyBytes } from '../keys.ts'
import { type EpochId, epochIdSchema, epochName, epochsHeldMax } from './epoch.ts'

// What a node and its guardian say to each other on port 10106. What only the unlocked original may do is signed by
// its lease key and carries a number that rises, for one start of the guardian; to ask for a share a locked node has
// only its identity key, and signs the guardian's nonce.

const sessionId = base64url({ length: 16 })
const signature = base64url({ length: 64 })

/** GET /v1/guardian/session?node=<id>: this start of the guardian, and what it knows of the node. */
export const sessionSchema = z.strictObject({
  guardian: nodeId,
  session: sessionId,
  /** X25519, made at this start: deposits are sealed to it. */
  key: base64url({ length: 32 }),
  /** Of the node's last statement in this session; 0 before the first. */
  number: counter,
  /** Good for one request of this node for its share, for 30 seconds. */
  nonce: base64url({ length: 16 }),
  /** At most two: the newest and the one before. */
  holds: z.array(epochIdSchema).max(epochsHeldMax).readonly(),
})
export type GuardianSession = z.infer<typeof sessionSchema>

const from = {
  cluster: clusterId,
  node: nodeId,
  guardian: nodeId,
  session: sessionId,
  number: counter.min(1),
}

/** What an unlocked node states; each is signed by the lease key of its hello. */
export const statementSchema = z.discriminatedUnion('kind', [
  /** It lives: nobody else may have its share for the next minute. */
  z.strictObject({ kind: z.literal('lease'), ...from }),
  /** It stops in order: who comes next need not wait. */
  z.strictObject({ kind: z.literal('goodbye'), ...from }),
  /** Keep this share, beside that of the epochs named; others go. */
  z.strictObject({
    kind: z.literal('deposit'),
    ...from,
    epoch: epochIdSchema,
    keep: z.array(epochIdSchema).max(1).readonly(),
    box: base64url({ max: 256 }),
  }),
  /** Keep shares of these epochs alone; none: erase all. */
  z.strictObject({
    kind: z.literal('keep'),
    ...from,
    keep: z.array(epochIdSchema).max(epochsHeldMax).readonly(),
  }),
])
export type Statement = z.infer<typeof statementSchema>

/** POST /v1/guardian/statement. */
export const signedStatementSchema = z.strictObject({ statement: statementSchema, signature })
export type SignedStatement = z.infer<typeof signedStatementSchema>

/** 200 to it. */
export const statementAnswerSchema = z.strictObject({
  holds: z.array(epochIdSchema).max(epochsHeldMax).readonly(),
})
export type StatementAnswer = z.infer<typeof statementAnswerSchema>

/** POST /v1/guardian/release: what a node asks when it wants its share. */
export const releaseRequestSchema = z.strictObject({
  cluster: clusterId,
  node: nodeId,
  guardian: nodeId,
  epoch: epochIdSchema,
  nonce: base64url({ length: 16 }),
  /** /proc/sys/kernel/random/boot_id, without hyphens. */
  bootId: z.string().regex(/^[0-9a-f]{32}$/, 'not a boot id'),
  /** X25519, made for this unlock. */
  oneTimeKey: base64url({ length: 32 }),
  /** The release that asks, and the lowest that it would go back to: guardians do not help an older one. */
  release: z.strictObject({ counter: counter, floor: counter }),
})
export type ReleaseRequest = z.infer<typeof releaseRequestSchema>

export const signedReleaseSchema = z.strictObject({
  request: releaseRequestSchema,
  /** By the identity key. */
  signature,
  /** By the lease key, where the unlocked original tries whether its shares are good: then its own lease does not stand in the way. */
  original: signature.optional(),
})
export type SignedRelease = z.infer<typeof signedReleaseSchema>

/** 200 to it: the share, in a box of `sealTo` for the one-time key. */
export const releaseAnswerSchema = z.strictObject({ box: base64url({ max: 256 }) })
export type ReleaseAnswer = z.infer<typeof releaseAnswerSchema>

/** Why a guardian does not give a share, or does not heed a statement. */
export const refusalReasons = [
  'lease', // another, or the node itself before it crashed, holds a live lease
  'starting', // the guardian has just started, and does not know yet who lives
  'held', // an operator has the node held
  'no-share', // it has none of this epoch
  'release', // the release that asks is older than one before
  'not-a-member',
  'not-signed', // signature, nonce or source address are not the node's
  'session', // a statement for another start of the guardian, or with a number that was used: ask for the session again
  'too-many', // asked too often
] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** 403, 404, 409, 423, 425 or 429 to a release or a statement. */
export const releaseRefusalSchema = z.object({
  error: z.string().max(4096),
  hint: z.string().max(4096).optional(),
  reason: z.enum(refusalReasons),
  /** Asking sooner is useless. */
  retryS: z.number().min(0).max(120).optional(),
  holds: z.array(epochIdSchema).max(epochsHeldMax).readonly().optional(),
})
export type ReleaseRefusal = z.infer<typeof releaseRefusalSchema>

const domains = { statement: 'orama-guardian-statement-v1', release: 'orama-release-v1' } as const

/** Signs with the raw lease key (32-byte seed). */
export function signStatement(statement: Statement, leasePrivate: Uint8Array): SignedStatement {
  const bytes = canonicalBytes(statementSchema.parse(statement))
  return { statement, signature: toBase64url(signBytes(domains.statement, bytes, leasePrivate)) }
}

/** True when the unlocked node of this hello made the statement. */
export function isStatementOf({ statement, signature }: SignedStatement, hello: Hello): boolean {
  const by = { signature: fromBase64url(signature), identity: fromBase64url(hello.lease) }
  return verifyBytes(domains.statement, canonicalBytes(statement), by)
}

/** Signs with the raw identity key, and with the lease key where the node is unlocked (32-byte seeds). */
export function signRelease(
  request: ReleaseRequest,
  keys: { readonly identity: Uint8Array; readonly lease?: Uint8Array | undefined },
): SignedRelease {
  const bytes = canonicalBytes(releaseRequestSchema.parse(request))
  const by = (key: Uint8Array) => toBase64url(signBytes(domains.release, bytes, key))
  return {
    request,
    signature: by(keys.identity),
    ...(keys.lease === undefined ? {} : { original: by(keys.lease) }),
  }
}

/** Who signed a request: a node by its identity, its unlocked original, or nobody that this hello is of. */
export function releaseSigner(signed: SignedRelease, hello: Hello): 'node' | 'original' | 'nobody' {
  const bytes = canonicalBytes(signed.request)
  const isBy = (key: string, text: string) =>
    verifyBytes(domains.release, bytes, { signature: fromBase64url(text), identity: fromBase64url(key) })
  if (!isBy(hello.identity, signed.signature)) return 'nobody'
  if (signed.original === undefined) return 'node'
  return isBy(hello.lease, signed.original) ? 'original' : 'nobody'
}

/** What the box of a deposit is bound to. */
export function depositContext(of: {
  readonly node: string
  readonly guardian: string
  readonly session: string
  readonly epoch: EpochId
}): string {
  return `orama-deposit-v1|${of.node}|${of.guardian}|${of.session}|${epochName(of.epoch)}`
}

/** What the box of a release is bound to. */
export function releaseContext(of: {
  readonly node: string
  readonly guardian: string
  readonly epoch: EpochId
  readonly nonce: string
}): string {
  return `orama-share-v1|${of.node}|${of.guardian}|${epochName(of.epoch)}|${of.nonce}`
}
