import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { dataOffset } from '../disk/luks2.ts'
import {
  areasAreApart,
  cipher,
  decimal,
  digest,
  digestName,
  keyslot,
  reencryptKeyslot,
  sectorSize,
  sizes,
  slotName,
  tokens,
} from './luks-schema.ts'

/*
 * A header while the volume gets a new key. cryptsetup (lib/luks2/luks2_reencrypt.c) goes through these forms; each
 * zone is one turn of the second and the third:
 *
 *   begun    a keyslot with the new key, which belongs to no segment yet                  segments: old
 *   clean    up to a position the data has the new key, from there on the old one         new | old
 *   hot      so has it, but for a zone whose sectors have either: to be recovered first   new | zone | old
 *   ended    all has the new key; the old keyslot is being destroyed, or is so already    new
 *
 * The forms from `clean` on have the requirement, a keyslot that is none, a digest over both keys and what is to be
 * done with them, and two segments that say what was and what will be.
 */
export type Reencryption = {
  readonly kind: 'begun' | 'clean' | 'hot' | 'ended'
  /** Of the data, from its start: so much has the new key. */
  readonly doneBytes: number
  readonly oldKeyslots: readonly string[]
  readonly newKeyslot: string
}

/** What cryptsetup 2.4.3 and later write; the form before it had no digest over what is to be done (CVE-2021-4122). */
const requirement = 'online-reencrypt-v2'

const segment = z.strictObject({
  type: z.literal('crypt'),
  offset: decimal,
  size: z.union([z.literal('dynamic'), decimal.refine(text => Number(text) > 0, 'no size')]),
  iv_tweak: decimal,
  encryption: z.literal(cipher),
  sector_size: sectorSize,
  flags: z.tuple([z.literal(['in-reencryption', 'backup-previous', 'backup-final'])]).optional(),
})
type Segment = z.infer<typeof segment>

export const reencryptingSchema = z
  .strictObject({
    keyslots: z.record(slotName, z.discriminatedUnion('type', [keyslot, reencryptKeyslot])),
    tokens,
    segments: z.record(z.string().regex(/^[0-4]$/), segment),
    digests: z.partialRecord(digestName, digest),
    config: z.strictObject({
      ...sizes,
      requirements: z.strictObject({ mandatory: z.tuple([z.literal(requirement)]) }),
    }),
  })
  .refine(areasAreApart, 'keyslot areas overlap')
  .refine(metadata => reencryptionOf(metadata) !== undefined, 'no re-encryption of ours has this form')

export type Reencrypting = {
  readonly keyslots: Record<string, z.infer<typeof keyslot> | z.infer<typeof reencryptKeyslot>>
  readonly segments: Record<string, Segment>
  readonly digests: Partial<Record<z.infer<typeof digestName>, z.infer<typeof digest>>>
}

/** Does a metadata text that was not checked yet ask for this schema? */
export function isReencrypting(metadata: unknown): boolean {
  const { config } = (metadata ?? {}) as { readonly config?: { readonly requirements?: unknown } | null }
  return config?.requirements !== undefined
}

/**
 * How far a re-encryption is. All segments and digests have to be, word for word, those that cryptsetup writes for the
 * position that they tell; undefined where they are not.
 */
export function reencryptionOf({ keyslots, segments, digests }: Reencrypting): Reencryption | undefined {
  const found = partsOf(segments, digests)
  if (found === undefined) return undefined
  const { before, after, check, place } = found
  const expected = expectedFor(place, found.sectorSize)
  if (!isDeepStrictEqual(segments, expected.segments)) return undefined
  const isRight =
    isSame(before.segments, expected.before) &&
    isSame(after.segments, expected.after) &&
    check.segments.length === 0
  const slots = slotsOf(keyslots, { before, after, check })
  if (!isRight || slots === undefined) return undefined
  // Its keyslot is destroyed before the rest of it.
  if (slots.oldKeyslots.length !== 1 && place.kind !== 'ended') return undefined
  return { kind: place.kind, doneBytes: place.doneBytes, ...slots }
}

type Digest = z.infer<typeof digest>
type Place = {
  readonly kind: 'clean' | 'hot' | 'ended'
  readonly doneBytes: number
  readonly zoneBytes?: number
  /** The size of what has the old key alone; of an open volume it is told, of a closed one it may be `dynamic`. */
  readonly rest?: Segment['size'] | undefined
}

function partsOf(segments: Reencrypting['segments'], digests: Reencrypting['digests']) {
  const backup = (flag: string) => Object.keys(segments).find(id => segments[id]?.flags?.[0] === flag)
  const [previous, final] = [backup('backup-previous'), backup('backup-final')]
  const all = Object.values(digests)
  const first = segments['0']
  if (previous === undefined || final === undefined || first === undefined || all.length !== 3)
    return undefined
  const before = all.find(one => one.segments.includes(previous))
  const after = all.find(one => one.segments.includes(final))
  const check = all.find(one => one !== before && one !== after)
  if (before === undefined || after === undefined || check === undefined || before === after) return undefined
  const running = Object.entries(segments).filter(([, { flags }]) => !flags?.[0].startsWith('backup-'))
  const place = placeOf(
    running.map(([, one]) => one),
    after.segments.includes('0'),
  )
  return { before, after, check, place, sectorSize: first.sector_size }
}

function placeOf(running: readonly Segment[], isNew: boolean): Place {
  const [first, second, third] = running
  const hot = running.find(one => one.flags?.[0] === 'in-reencryption')
  if (hot !== undefined) {
    const isFirst = hot === first
    const doneBytes = isFirst ? 0 : sizeOf(first)
    return { kind: 'hot', doneBytes, zoneBytes: sizeOf(hot), rest: (isFirst ? second : third)?.size }
  }
  if (second !== undefined) return { kind: 'clean', doneBytes: sizeOf(first), rest: second.size }
  return isNew ? { kind: 'ended', doneBytes: 0 } : { kind: 'clean', doneBytes: 0, rest: 'dynamic' }
}

function sizeOf(one: Segment | undefined): number {
  return Number(one?.size)
}

/** The segments of a place, and which of them have the key of before and the one of after. */
function expectedFor(place: Place, sector: Segment['sector_size']) {
  const { kind, doneBytes, zoneBytes = 0, rest } = place
  const part = (from: number, size: number | string, flag?: NonNullable<Segment['flags']>[0]): Segment => ({
    type: 'crypt',
    offset: String(dataOffset + from),
    size: String(size),
    iv_tweak: String(from / 512),
    encryption: cipher,
    sector_size: sector,
    ...(flag === undefined ? {} : { flags: [flag] }),
  })
  const restFrom = doneBytes + zoneBytes
  const running: (readonly [Segment, ...('before' | 'after')[]])[] = [
    ...(kind === 'ended' ? [[part(0, 'dynamic'), 'after'] as const] : []),
    ...(doneBytes > 0 ? [[part(0, doneBytes), 'after'] as const] : []),
    ...(kind === 'hot' ? [[part(doneBytes, zoneBytes, 'in-reencryption'), 'before', 'after'] as const] : []),
    ...(rest === undefined ? [] : [[part(restFrom, rest), 'before'] as const]),
    [part(0, 'dynamic', 'backup-previous'), 'before'],
    [part(0, 'dynamic', 'backup-final'), 'after'],
  ]
  const having = (key: 'before' | 'after') =>
    running.flatMap(([, ...keys], id) => (keys.includes(key) ? [String(id)] : []))
  return {
    segments: Object.fromEntries(running.map(([one], id) => [String(id), one])),
    before: having('before'),
    after: having('after'),
  }
}

function isSame(found: readonly string[], expected: readonly string[]): boolean {
  return isDeepStrictEqual(found.toSorted(), expected.toSorted())
}

/** The keyslots of both keys, where each is named once and by the right digest. */
function slotsOf(
  keyslots: Reencrypting['keyslots'],
  of: { readonly before: Digest; readonly after: Digest; readonly check: Digest },
): Pick<Reencryption, 'oldKeyslots' | 'newKeyslot'> | undefined {
  const [newKeyslot, ...more] = of.after.keyslots
  const [checkSlot = '', ...others] = of.check.keyslots
  if (newKeyslot === undefined || more.length + others.length > 0 || of.before.keyslots.length > 1)
    return undefined
  const isKind = (slot: string, type: 'luks2' | 'reencrypt') => keyslots[slot]?.type === type
  const named = [...of.before.keyslots, newKeyslot, checkSlot]
  const isRight =
    isSame(Object.keys(keyslots), named) &&
    isKind(checkSlot, 'reencrypt') &&
    [...of.before.keyslots, newKeyslot].every(slot => isKind(slot, 'luks2'))
  return isRight ? { oldKeyslots: of.before.keyslots, newKeyslot } : undefined
}
