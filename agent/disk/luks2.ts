import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { readExactly } from './disk.ts'

/**
 * The binary part of a LUKS2 header (LUKS2 On-Disk Format Specification 1.1, section 2): two copies, each with a
 * sector of fields (big-endian), a checksum over itself and a JSON text. Sizes are those that this project
 * formats with: copies of 1 MiB (`--luks2-metadata-size 1m`), 16 MiB of keyslots, then the data.
 *
 * | Offset | Bytes | Field                     | | Offset | Bytes | Field                            |
 * |--------|-------|---------------------------|-|--------|-------|----------------------------------|
 * | 0      | 6     | magic                     | | 104    | 64    | salt                             |
 * | 6      | 2     | version, 2                | | 168    | 40    | uuid                             |
 * | 8      | 8     | hdr_size                  | | 208    | 48    | subsystem                        |
 * | 16     | 8     | seqid                     | | 256    | 8     | hdr_offset                       |
 * | 24     | 48    | label                     | | 448    | 64    | csum: SHA-256 of the whole copy  |
 * | 72     | 32    | csum_alg                  | | 4096   | …     | JSON text, then zeros            |
 */
export const copyBytes = 1024 * 1024
export const binaryBytes = 4096
export const keyslotsOffset = 2 * copyBytes
export const keyslotsBytes = 16 * 1024 * 1024
export const dataOffset = keyslotsOffset + keyslotsBytes

/** Magics of the primary copy at offset 0 and of the secondary at 1 MiB. */
export const magics = {
  primary: Buffer.from('LUKS\xba\xbe', 'latin1'),
  secondary: Buffer.from('SKUL\xba\xbe', 'latin1'),
} as const

export type CopyName = keyof typeof magics
export const copyOffsets: Readonly<Record<CopyName, number>> = { primary: 0, secondary: copyBytes }

export type LuksCopy = {
  readonly name: CopyName
  readonly seqid: bigint
  readonly label: string
  readonly uuid: string
  readonly subsystem: string
  readonly salt: Buffer
  /** The JSON text, without the zeros behind it. Checked by the checksum only. */
  readonly json: string
}

/** Both copies: each parsed, or why not. */
export type LuksCopies = Readonly<Record<CopyName, LuksCopy | { readonly bad: string }>>

/** Reads both copies from the start of a device or file. Damaged ones are told, not thrown. */
export async function readLuksCopies(file: FileHandle): Promise<LuksCopies> {
  const [first, second] = await Promise.all([readBytes(file, 'primary'), readBytes(file, 'secondary')])
  try {
    const primary = judgeCopy(first, 'primary')
    const both = Buffer.isBuffer(first) && Buffer.isBuffer(second)
    if (both && !('bad' in primary) && isTwin(first, second))
      return { primary, secondary: { ...primary, name: 'secondary', salt: saltOf(second) } }
    return { primary, secondary: judgeCopy(second, 'secondary') }
  } finally {
    // Given back now: the collector does not mind holding some of them for hours.
    for (const bytes of [first, second]) if (Buffer.isBuffer(bytes)) (bytes.buffer as ArrayBuffer).transfer(0)
  }
}

/** The bytes of a copy that bears the magic of its place, or why there is none. */
async function readBytes(file: FileHandle, name: CopyName): Promise<Buffer | { readonly bad: string }> {
  try {
    const start = await readExactly(file, copyOffsets[name], magics[name].length)
    // The rest is 4 MiB: not to be read in vain at every boot of a blank node.
    if (!start.equals(magics[name])) return { bad: noMagic }
    return await readExactly(file, copyOffsets[name], copyBytes)
  } catch (error) {
    if (error instanceof RangeError) return { bad: error.message }
    throw error
  }
}

function judgeCopy(
  bytes: Buffer | { readonly bad: string },
  name: CopyName,
): LuksCopy | { readonly bad: string } {
  if (!Buffer.isBuffer(bytes)) return bytes
  try {
    return parseLuksCopy(bytes, name)
  } catch (error) {
    if (error instanceof SyntaxError) return { bad: error.message }
    throw error
  }
}

/**
 * Does the secondary say byte for byte what the primary says, but for salt and checksum? Then it needs no look of its
 * own: hashing 4 MiB takes an emulated machine a good part of a second.
 */
function isTwin(primary: Buffer, secondary: Buffer): boolean {
  const equal = (from: number, to: number) => primary.subarray(from, to).equals(secondary.subarray(from, to))
  const atItsPlace = secondary.readBigUInt64BE(256) === BigInt(copyOffsets.secondary)
  return atItsPlace && equal(6, 104) && equal(168, 256) && equal(512, copyBytes)
}

function saltOf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(104, 168))
}

const noMagic = 'no LUKS2 magic'

/** Parses one copy of 4 MiB. The bytes are hostile: throws SyntaxError that names what is wrong. */
export function parseLuksCopy(bytes: Buffer, name: CopyName): LuksCopy {
  if (!bytes.subarray(0, 6).equals(magics[name])) throw new SyntaxError(noMagic)
  if (bytes.readUInt16BE(6) !== 2) throw new SyntaxError(`LUKS version ${bytes.readUInt16BE(6)}, not 2`)
  if (bytes.readBigUInt64BE(8) !== BigInt(copyBytes) || bytes.length !== copyBytes)
    throw new SyntaxError('metadata size is not 4 MiB')
  if (bytes.readBigUInt64BE(256) !== BigInt(copyOffsets[name]))
    throw new SyntaxError('the header says that it lies elsewhere')
  if (text(bytes, 72, 32) !== 'sha256') throw new SyntaxError('checksum is not SHA-256')
  if (!bytes.subarray(448, 480).equals(checksumOf(bytes))) throw new SyntaxError('bad checksum')
  return {
    name,
    seqid: bytes.readBigUInt64BE(16),
    label: labelOf(bytes),
    uuid: text(bytes, 168, 40),
    subsystem: text(bytes, 208, 48),
    salt: saltOf(bytes),
    json: jsonText(bytes.subarray(binaryBytes)),
  }
}

/** The label field of a copy, whatever the rest of it is worth. */
export function labelOf(bytes: Buffer): string {
  return text(bytes, 24, 48)
}

/**
 * The bytes of a copy, with a fresh checksum; `size` is one that LUKS2 knows, from 16 KiB to 4 MiB. Throws
 * RangeError for a JSON text that does not fit.
 */
export function serialiseLuksCopy(copy: LuksCopy, size = copyBytes): Buffer {
  const json = Buffer.from(copy.json)
  if (json.length >= size - binaryBytes) throw new RangeError('Cannot make LUKS2 header: JSON is too long')
  const bytes = Buffer.alloc(size)
  magics[copy.name].copy(bytes, 0)
  bytes.writeUInt16BE(2, 6)
  bytes.writeBigUInt64BE(BigInt(size), 8)
  bytes.writeBigUInt64BE(copy.seqid, 16)
  bytes.write(copy.label, 24, 48)
  bytes.write('sha256', 72, 32)
  copy.salt.copy(bytes, 104)
  bytes.write(copy.uuid, 168, 40)
  bytes.write(copy.subsystem, 208, 48)
  bytes.writeBigUInt64BE(BigInt(copy.name === 'primary' ? 0 : size), 256)
  json.copy(bytes, binaryBytes)
  checksumOf(bytes).copy(bytes, 448)
  return bytes
}

/** The checksum field counts as zeros. */
function checksumOf(bytes: Buffer): Buffer {
  const hash = createHash('sha256')
  return hash.update(bytes.subarray(0, 448)).update(Buffer.alloc(64)).update(bytes.subarray(512)).digest()
}

function text(bytes: Buffer, at: number, length: number): string {
  return bytes.toString('latin1', at, at + length).replace(/\0.*$/s, '')
}

function jsonText(area: Buffer): string {
  const end = area.indexOf(0)
  if (end < 1) throw new SyntaxError('JSON text is empty or has no end')
  if (!isZero(area.subarray(end))) throw new SyntaxError('data behind the JSON text')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(area.subarray(0, end))
  } catch (cause) {
    throw new SyntaxError('JSON text is not UTF-8', { cause })
  }
}

const zeros = Buffer.alloc(64 * 1024)

/** Compared in large pieces: a call for each of 4 million bytes takes seconds on an emulated machine. */
export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const piece = bytes.subarray(at, at + zeros.length)
    if (!piece.equals(zeros.subarray(0, piece.length))) return false
  }
  return true
}

/**
 * The copy that counts: of the good ones that with the higher seqid, of equal ones the primary. Undefined when
 * none is good.
 */
export function newestCopy(copies: LuksCopies): LuksCopy | undefined {
  const [first, second] = goodCopies(copies)
  return first !== undefined && second !== undefined && second.seqid > first.seqid ? second : first
}

/** The copies without damage, the primary first. */
export function goodCopies(copies: LuksCopies): LuksCopy[] {
  return [copies.primary, copies.secondary].flatMap(copy => ('bad' in copy ? [] : [copy]))
}
