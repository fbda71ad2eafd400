import * as z from 'zod'
import { nodeTokenType } from '../disk/blank.ts'
import { binaryBytes, copyBytes, keyslotsBytes, keyslotsOffset } from '../disk/luks2.ts'

// The parts of a LUKS2 header's metadata, each as this project has cryptsetup write it, and nothing else.

export const cipher = 'aes-xts-plain64'
const iterations = z.int().min(1000).max(100_000)
const salt = z.base64().length(44)
// 64 bytes of key, split into 4,000 stripes, rounded up to 4 KiB.
const areaBytes = 258_048
/** As JSON. Together, with the keyslots, they fit the JSON area; a record of the largest cluster has 700,000. */
export const tokenBytesMax = {
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

/** A number that LUKS2 writes as text, since JSON's may not hold it. */
export const decimal = z.string().regex(/^(0|[1-9]\d{0,14})$/)

const areaOffset = z
  .string()
  .regex(/^[1-9]\d{0,11}$/)
  .refine(text => isArea(Number(text), areaBytes), `area is outside of the keyslots or not on 4 KiB`)

function isArea(offset: number, bytes: number): boolean {
  const isAligned = offset % 4096 === 0 && bytes % 4096 === 0
  return isAligned && offset >= keyslotsOffset && offset + bytes <= keyslotsOffset + keyslotsBytes
}

export const keyslot = z.strictObject({
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

/** Not a keyslot: where a re-encryption keeps the checksums of the zone that it is in. */
export const reencryptKeyslot = z.strictObject({
  type: z.literal('reencrypt'),
  key_size: z.literal(1),
  priority: z.literal(0),
  mode: z.literal('reencrypt'),
  direction: z.literal('forward'),
  area: z
    .strictObject({
      type: z.literal('checksum'),
      offset: decimal,
      size: decimal,
      hash: z.literal('sha256'),
      sector_size: z.literal([512, 4096]),
    })
    .refine(
      ({ offset, size }) => Number(size) > 0 && isArea(Number(offset), Number(size)),
      'area is outside',
    ),
})

export const slotName = z.string().regex(/^(\d|[12]\d|3[01])$/)

export const digest = z.strictObject({
  type: z.literal('pbkdf2'),
  keyslots: z.array(slotName).max(32),
  segments: z.array(z.string().regex(/^[0-4]$/)).max(5),
  hash: z.literal('sha256'),
  iterations,
  salt,
  digest: z.base64().length(44),
})

/** A key has the lowest number that was free when it came: of two, the old one has the other. */
export const digestName = z.literal(['0', '1', '2'])

export const sectorSize = z.literal([512, 4096])

/** Only the frame: what is inside belongs to `tokens.ts`. */
function token<Type extends TokenType>(type: Type) {
  return z
    .looseObject({ type: z.literal(type), keyslots: z.array(slotName).max(0) })
    .refine(isShort, `token ${type} is too long`)
    .optional()
}

type Token = { readonly type: TokenType; readonly [key: string]: unknown }

/** Throws RangeError for a token with which its whole header would be refused for ever. */
export function checkTokenSize(token: Token): void {
  if (isShort(token)) return
  const bytesMax = tokenBytesMax[token.type]
  throw new RangeError(
    `Cannot write token ${token.type}: it has more than the ${bytesMax} bytes that are read`,
  )
}

function isShort(token: Token): boolean {
  return JSON.stringify(token).length <= tokenBytesMax[token.type]
}

export const tokens = z.strictObject({
  '0': token('orama-node'),
  '1': token('orama-escrow'),
  '2': token('orama-shares'),
})

export const sizes = {
  json_size: z.literal(String(copyBytes - binaryBytes)),
  keyslots_size: z.literal(String(keyslotsBytes)),
} as const

type Areas = { readonly keyslots: Record<string, { readonly area: { offset: string; size: string } }> }

export function areasAreApart({ keyslots }: Areas): boolean {
  const areas = Object.values(keyslots).map(({ area }) => ({
    offset: Number(area.offset),
    end: Number(area.offset) + Number(area.size),
  }))
  const sorted = areas.toSorted((a, b) => a.offset - b.offset)
  return sorted.every(({ offset }, index) => offset >= (sorted[index - 1]?.end ?? 0))
}
