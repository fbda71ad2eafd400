import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { base64url, counter, fromBase64url, nodeId, time, toBase64url } from '../fields.ts'
import { guardiansMax } from './plan.ts'
import { shareX } from './split.ts'

/** One attempt to give a new secret to guardians: numbers rise, and no two attempts have the same id. */
export const epochIdSchema = z.strictObject({
  number: counter.min(1),
  id: z.string().regex(/^[0-9a-f]{32}$/, 'not 32 lower-case hex digits'),
})
export type EpochId = z.infer<typeof epochIdSchema>

/** So many shares of a node a guardian holds: that of the newest epoch, and that of the one before. */
export const epochsHeldMax = 2

/** What a node keeps of a share that it gave away: enough to know it again, nothing of what it is. */
const holderSchema = z.strictObject({
  node: nodeId,
  x: z.int().min(1).max(255),
  salt: base64url({ length: 16 }),
  hash: base64url({ length: 32 }),
})
export type Holder = z.infer<typeof holderSchema>

/** An epoch as the node's record lists it. */
export const epochSchema = z
  .strictObject({
    ...epochIdSchema.shape,
    threshold: z.int().min(3).max(255),
    made: time,
    holders: z.array(holderSchema).max(guardiansMax).readonly(),
  })
  .refine(({ threshold, holders }) => threshold <= holders.length, 'more shares are needed than there are')
  .refine(({ holders }) => new Set(holders.map(one => one.node)).size === holders.length, 'one holder twice')
  .refine(({ holders }) => new Set(holders.map(one => one.x)).size === holders.length, 'one x twice')
export type Epoch = z.infer<typeof epochSchema>

export function newEpochId(number: number): EpochId {
  return { number, id: randomBytes(16).toString('hex') }
}

/** How an epoch is written in a path, a log line and a context: `<number>-<id>`. */
export function epochName({ number, id }: EpochId): string {
  return `${number}-${id}`
}

/** What `epochName` writes, in no other spelling; parsed to the epoch. */
export const epochNameText = z
  .string()
  .regex(/^[1-9]\d{0,15}-[0-9a-f]{32}$/, 'not <number>-<32 lower-case hex digits>')
  .transform(text => ({ number: Number(text.slice(0, -33)), id: text.slice(-32) }))
  .pipe(epochIdSchema)

/** Several epochs as one text, with commas between; empty for none. */
export function epochNames(epochs: readonly EpochId[]): string {
  return epochs.map(epochName).join(',')
}

/** What `epochNames` writes of as many epochs as a guardian holds of a node, each once. */
export const epochNamesText = z
  .string()
  .transform(text => (text === '' ? [] : text.split(',')))
  .refine(names => new Set(names).size === names.length, 'one epoch twice')
  .pipe(z.array(epochNameText).max(epochsHeldMax))

export function isSameEpoch(a: EpochId, b: EpochId): boolean {
  return a.number === b.number && a.id === b.id
}

/** Notes whose share this is. The salt keeps equal hashes of two records from meaning anything. */
export function noteHolder(
  share: Uint8Array,
  of: { node: string; epoch: EpochId; guardian: string },
): Holder {
  const salt = randomBytes(16)
  const hash = shareHash(share, { ...of, salt })
  return { node: of.guardian, x: shareX(share), salt: toBase64url(salt), hash: toBase64url(hash) }
}

/** True when these bytes are the share that the node gave this holder in this epoch. */
export function isShareOf(holder: Holder, share: Uint8Array, of: { node: string; epoch: EpochId }): boolean {
  const hash = shareHash(share, { ...of, guardian: holder.node, salt: fromBase64url(holder.salt) })
  return timingSafeEqual(hash, fromBase64url(holder.hash))
}

type ShareContext = { node: string; epoch: EpochId; guardian: string; salt: Uint8Array }

/** SHA-256 of salt, node, epoch and guardian, each with a newline behind it but the salt, and the share with its x. */
function shareHash(share: Uint8Array, { node, epoch, guardian, salt }: ShareContext): Buffer {
  const context = `orama-share-v1\n${node}\n${epochName(epoch)}\n${guardian}\n`
  return createHash('sha256').update(salt).update(context).update(share).digest()
}
