import * as z from 'zod'
import { pendingLabel } from '../disk/blank.ts'
import { dataOffset, newestCopy, type LuksCopies, type LuksCopy } from '../disk/luks2.ts'
import {
  areasAreApart,
  cipher,
  digest,
  digestName,
  keyslot,
  sectorSize,
  sizes,
  slotName,
  tokens,
} from './luks-schema.ts'
import {
  isReencrypting,
  type Reencrypting,
  type Reencryption,
  reencryptingSchema,
  reencryptionOf,
} from './reencryption.ts'

export { tokenIds, type TokenType } from './luks-schema.ts'

/**
 * The LUKS2 header as this project formats it, and nothing else that LUKS2 allows. Whoever holds the disk can
 * write it, so all of it is checked before cryptsetup or the kernel acts on any of it: no null cipher, no other
 * segment, no re-encryption but to another key of the same kind (reencryption.ts), no costly key derivation.
 */
const slotsMax = 8

const segment = z.strictObject({
  type: z.literal('crypt'),
  offset: z.literal(String(dataOffset)),
  size: z.literal('dynamic'),
  iv_tweak: z.literal('0'),
  encryption: z.literal(cipher),
  sector_size: sectorSize,
})

const ordinarySchema = z
  .strictObject({
    keyslots: z.record(slotName, keyslot),
    tokens,
    segments: z.strictObject({ '0': segment }),
    digests: z.partialRecord(digestName, digest),
    config: z.strictObject(sizes),
  })
  .refine(digestsAreRight, 'digests: one is for the data, another at most for a key that is about to come')
  .refine(slotsAgree, 'digest and keyslots do not agree')
  .refine(areasAreApart, 'keyslot areas overlap')

type Digests = { readonly digests: Reencrypting['digests'] }

function digestsAreRight({ digests }: Digests): boolean {
  const all = Object.values(digests)
  const ofData = all.filter(one => one.segments.join() === '0')
  const unbound = all.filter(one => one.segments.length === 0 && one.keyslots.length === 1)
  return ofData.length === 1 && unbound.length <= 1 && ofData.length + unbound.length === all.length
}

function slotsAgree({ keyslots, digests }: Digests & { readonly keyslots: object }): boolean {
  const names = Object.keys(keyslots)
  const bound = Object.values(digests).flatMap(one => one.keyslots)
  const ofData = Object.values(digests).find(one => one.segments.length > 0)?.keyslots ?? []
  return (
    ofData.length > 0 &&
    names.length <= slotsMax &&
    new Set(bound).size === bound.length &&
    names.toSorted().join() === bound.toSorted().join()
  )
}

type Ordinary = z.infer<typeof ordinarySchema>
export type LuksMetadata = Ordinary | z.infer<typeof reencryptingSchema>

export type LuksHeader = {
  /** The copy that counts, as it was on the disk. */
  readonly copy: LuksCopy
  readonly uuid: string
  readonly metadata: LuksMetadata
  /** How far the volume is on its way to a new key, where it is on one. */
  readonly reencryption?: Reencryption
  /** What is wrong with the other copy, if anything; the next write of a token repairs it. */
  readonly damage?: string
}

/**
 * Chooses the copy that counts and checks all of it. Throws SyntaxError whose message names the reason: what is
 * refused is never opened, and never formatted either.
 */
export function checkLuksHeader(copies: LuksCopies): LuksHeader {
  const copy = newestCopy(copies)
  if (copy === undefined) throw refusal(`no good copy: ${damageOf(copies).join('; ')}`)
  if (copy.label !== pendingLabel) throw refusal('label is not ours')
  if (copy.subsystem !== '') throw refusal('subsystem is set')
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(copy.uuid)) throw refusal('bad UUID')
  const { metadata, reencryption } = parseMetadata(copy.json)
  const [damage] = damageOf(copies)
  return {
    copy,
    uuid: copy.uuid,
    metadata,
    ...(reencryption === undefined ? {} : { reencryption }),
    ...(damage === undefined ? {} : { damage }),
  }
}

function damageOf({ primary, secondary }: LuksCopies): string[] {
  return [
    ...('bad' in primary ? [`primary: ${primary.bad}`] : []),
    ...('bad' in secondary ? [`secondary: ${secondary.bad}`] : []),
  ]
}

type Parsed = { readonly metadata: LuksMetadata; readonly reencryption: Reencryption | undefined }

function parseMetadata(json: string): Parsed {
  const value = parseJson(json)
  if (isReencrypting(value)) {
    const metadata = parseWith(reencryptingSchema, value)
    return { metadata, reencryption: reencryptionOf(metadata) }
  }
  const metadata = parseWith(ordinarySchema, value)
  return { metadata, reencryption: begunIn(metadata) }
}

/** A key that no segment has: a re-encryption was cut off before it was noted. */
function begunIn({ digests }: Ordinary): Reencryption | undefined {
  const all = Object.values(digests)
  const [newKeyslot] = all.find(one => one.segments.length === 0)?.keyslots ?? []
  if (newKeyslot === undefined) return undefined
  const oldKeyslots = all.find(one => one.segments.length > 0)?.keyslots ?? []
  return { kind: 'begun', doneBytes: 0, oldKeyslots, newKeyslot }
}

function parseWith<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
  throw refusal(`${where}${issue?.message ?? 'invalid'}`)
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw refusal('metadata is not JSON', cause)
  }
}

function refusal(reason: string, cause?: unknown): SyntaxError {
  return new SyntaxError(`Cannot trust LUKS2 header: ${reason}`, { cause })
}
