import * as z from 'zod'
import { nodeTokenType, pendingLabel } from '../disk/blank.ts'
import {
  binaryBytes,
  copyBytes,
  dataOffset,
  keyslotsBytes,
  keyslotsOffset,
  newestCopy,
  type LuksCopies,
  type LuksCopy,
} from '../disk/luks2.ts'

/**
 * The LUKS2 header as this project formats it, and nothing else that LUKS2 allows. Whoever holds the disk can
 * write it, so all of it is checked before cryptsetup or the kernel acts on any of it: no null cipher, no other
 * segment, no reencryption in progress, no costly key derivation.
 */
const cipher = 'aes-xts-plain64'
const iterations = z.int().min(1000).max(100_000)
const salt = z.base64().length(44)
// 64 bytes of key, split into 4,000 stripes, rounded up to 4 KiB.
const areaBytes = 258_048
const slotsMax = 8
/** Together, with the keyslots, they fit the JSON area. */
const tokenBytesMax = {
  'orama-node': 768 * 1024,
  'orama-escrow': 16 * 1024,
  'orama-shares': 176 * 1024,
} as const

export type TokenType = keyof typeof tokenBytesMax

/** Each type has one place, so that no two tokens of a type can be there. */
export const tokenIds: Readonly<Record<TokenType, number>> = {
  [nodeTokenType]: 0,
  'orama-escrow': 1,
  'orama-shares': 2,
}

const areaOffset = z
  .string()
  .regex(/^[1-9]\d{0,11}$/)
  .refine(isAreaOffset, `area is outside of the keyslots or not on 4 KiB`)

function isAreaOffset(text: string): boolean {
  const offset = Number(text)
  return (
    offset % 4096 === 0 && offset >= keyslotsOffset && offset + areaBytes <= keyslotsOffset + keyslotsBytes
  )
}

const keyslot = z.strictObject({
  type: z.literal('luks2'),
  key_size: z.literal(64),
  af: z.strictObject({ type: z.literal('luks1'), stripes: z.literal(4000), hash: z.literal('sha256') }),
  area: z.strictObject({
    type: z.literal('raw'),
    offset: areaOffset,
    size: z.literal(String(areaBytes)),
    encryption: z.literal(cipher),
    key_size: z.literal(64),
  }),
  kdf: z.strictObject({ type: z.literal('pbkdf2'), hash: z.literal('sha256'), iterations, salt }),
})

const slotName = z.string().regex(/^(\d|[12]\d|3[01])$/)

const digest = z.strictObject({
  type: z.literal('pbkdf2'),
  keyslots: z.array(slotName).min(1).max(slotsMax),
  segments: z.tuple([z.literal('0')]),
  hash: z.literal('sha256'),
  iterations,
  salt,
  digest: z.base64().length(44),
})

const segment = z.strictObject({
  type: z.literal('crypt'),
  offset: z.literal(String(dataOffset)),
  size: z.literal('dynamic'),
  iv_tweak: z.literal('0'),
  encryption: z.literal(cipher),
  sector_size: z.literal([512, 4096]),
})

/** Only the frame: what is inside belongs to `tokens.ts`. */
function token<Type extends TokenType>(type: Type) {
  return z
    .looseObject({ type: z.literal(type), keyslots: z.array(slotName).max(0) })
    .refine(value => JSON.stringify(value).length <= tokenBytesMax[type], `token ${type} is too long`)
    .optional()
}

const metadataSchema = z
  .strictObject({
    keyslots: z.record(slotName, keyslot),
    tokens: z.strictObject({
      '0': token('orama-node'),
      '1': token('orama-escrow'),
      '2': token('orama-shares'),
    }),
    segments: z.strictObject({ '0': segment }),
    digests: z.strictObject({ '0': digest }),
    config: z.strictObject({
      json_size: z.literal(String(copyBytes - binaryBytes)),
      keyslots_size: z.literal(String(keyslotsBytes)),
    }),
  })
  .refine(slotsAgree, 'digest and keyslots do not agree')
  .refine(areasAreApart, 'keyslot areas overlap')

function slotsAgree({
  keyslots,
  digests,
}: {
  keyslots: object
  digests: { '0': { keyslots: string[] } }
}): boolean {
  const names = Object.keys(keyslots)
  const bound = digests['0'].keyslots
  return (
    names.length <= slotsMax &&
    new Set(bound).size === bound.length &&
    names.toSorted().join() === bound.toSorted().join()
  )
}

function areasAreApart({ keyslots }: { keyslots: Record<string, { area: { offset: string } }> }): boolean {
  const offsets = Object.values(keyslots).map(slot => Number(slot.area.offset))
  const sorted = offsets.toSorted((a, b) => a - b)
  return sorted.every((offset, index) => offset - (sorted[index - 1] ?? 0) >= areaBytes)
}

export type LuksMetadata = z.infer<typeof metadataSchema>

export type LuksHeader = {
  /** The copy that counts, as it was on the disk. */
  readonly copy: LuksCopy
  readonly uuid: string
  readonly metadata: LuksMetadata
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
  const metadata = parseMetadata(copy.json)
  const [damage] = damageOf(copies)
  return { copy, uuid: copy.uuid, metadata, ...(damage === undefined ? {} : { damage }) }
}

function damageOf({ primary, secondary }: LuksCopies): string[] {
  return [
    ...('bad' in primary ? [`primary: ${primary.bad}`] : []),
    ...('bad' in secondary ? [`secondary: ${secondary.bad}`] : []),
  ]
}

function parseMetadata(json: string): LuksMetadata {
  const result = metadataSchema.safeParse(parseJson(json))
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw refusal(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
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
