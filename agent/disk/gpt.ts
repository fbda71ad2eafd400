import { crc32 } from 'node:zlib'
import { guidFromBytes, guidToBytes } from './guid.ts'

/**
 * GUID partition tables as the UEFI specification, chapter 5, has them; for disks with sectors of 512 bytes and
 * tables of 128 entries of 128 bytes, which is what the image builder makes and what every common tool keeps.
 *
 * | Sector (LBA)    | Content                  |
 * |-----------------|--------------------------|
 * | 0               | protective MBR           |
 * | 1               | primary header           |
 * | 2 to 33         | primary entries          |
 * | last-32 to -1   | backup entries           |
 * | last            | backup header            |
 */
export const sectorBytes = 512
const entryBytes = 128
const entriesMax = 128
const entriesSectors = (entriesMax * entryBytes) / sectorBytes
const headerBytes = 92
const nilGuid = '00000000-0000-0000-0000-000000000000'

/** Sectors of the primary copy with the protective MBR, and of the backup copy. */
export const primarySectors = 2 + entriesSectors
export const backupSectors = 1 + entriesSectors

/** Partition type GUIDs that OramaOS uses. */
export const partitionTypes = {
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
} as const

export type Partition = {
  /** At most 36 UTF-16 units. */
  readonly label: string
  readonly type: string
  readonly guid: string
  readonly firstLba: number
  /** The last sector that still belongs to the partition. */
  readonly lastLba: number
  readonly attributes?: bigint
}

/** `partitions[0]` is number 1; an unused entry is undefined. */
export type Table = {
  readonly diskGuid: string
  readonly partitions: readonly (Partition | undefined)[]
}

export type Layout = Table & {
  /** Size of the whole disk. */
  readonly sectors: number
}

export type GptBytes = {
  /** Protective MBR, header, entries: sectors 0 to 33. */
  readonly primary: Buffer
  /** Entries, header: the disk's last 33 sectors. */
  readonly backup: Buffer
  /** The sector where `backup` begins (its entries; the header is the disk's last sector). */
  readonly backupLba: number
}

/** Makes both copies of a table and the protective MBR. Throws RangeError or SyntaxError for a bad layout. */
export function makeGpt(layout: Layout): GptBytes {
  checkLayout(layout)
  const last = layout.sectors - 1
  const entries = serialiseEntries(layout.partitions)
  const backupLba = layout.sectors - backupSectors
  const header = (at: HeaderPlace) => serialiseHeader(layout, at, entries)
  return {
    primary: Buffer.concat([
      protectiveMbr(layout.sectors),
      header({ lba: 1, alternateLba: last, entriesLba: 2 }),
      entries,
    ]),
    backup: Buffer.concat([entries, header({ lba: last, alternateLba: 1, entriesLba: backupLba })]),
    backupLba,
  }
}

type HeaderPlace = { readonly lba: number; readonly alternateLba: number; readonly entriesLba: number }

function serialiseHeader(layout: Layout, place: HeaderPlace, entries: Buffer): Buffer {
  const sector = Buffer.alloc(sectorBytes)
  sector.write('EFI PART', 0, 'latin1')
  sector.writeUInt32LE(0x00010000, 8)
  sector.writeUInt32LE(headerBytes, 12)
  sector.writeBigUInt64LE(BigInt(place.lba), 24)
  sector.writeBigUInt64LE(BigInt(place.alternateLba), 32)
  sector.writeBigUInt64LE(BigInt(primarySectors), 40)
  sector.writeBigUInt64LE(BigInt(lastUsableLba(layout.sectors)), 48)
  guidToBytes(layout.diskGuid).copy(sector, 56)
  sector.writeBigUInt64LE(BigInt(place.entriesLba), 72)
  sector.writeUInt32LE(entriesMax, 80)
  sector.writeUInt32LE(entryBytes, 84)
  sector.writeUInt32LE(crc32(entries), 88)
  sector.writeUInt32LE(crc32(sector.subarray(0, headerBytes)), 16)
  return sector
}

function serialiseEntries(partitions: Table['partitions']): Buffer {
  const entries = Buffer.alloc(entriesMax * entryBytes)
  for (const [index, partition] of partitions.entries()) {
    if (partition === undefined) continue
    const entry = entries.subarray(index * entryBytes, (index + 1) * entryBytes)
    guidToBytes(partition.type).copy(entry, 0)
    guidToBytes(partition.guid).copy(entry, 16)
    entry.writeBigUInt64LE(BigInt(partition.firstLba), 32)
    entry.writeBigUInt64LE(BigInt(partition.lastLba), 40)
    entry.writeBigUInt64LE(partition.attributes ?? 0n, 48)
    entry.write(partition.label, 56, 'utf16le')
  }
  return entries
}

/** One partition of type 0xEE over the whole disk, so that tools that know no GPT see no free space. */
function protectiveMbr(sectors: number): Buffer {
  const mbr = Buffer.alloc(sectorBytes)
  Buffer.from('000002 00 ee ffffff 01000000'.replaceAll(' ', ''), 'hex').copy(mbr, 446)
  mbr.writeUInt32LE(Math.min(sectors - 1, 0xffffffff), 458)
  mbr.writeUInt16LE(0xaa55, 510)
  return mbr
}

export function lastUsableLba(sectors: number): number {
  return sectors - backupSectors - 1
}

export type HeaderFields = {
  readonly diskGuid: string
  readonly alternateLba: number
  readonly entriesLba: number
  readonly firstUsable: number
  readonly lastUsable: number
  readonly entriesCrc: number
}

/**
 * Reads the header that lies at sector `lba` of a disk with `sectors` sectors. The bytes are hostile: throws
 * SyntaxError or RangeError that names what is wrong.
 */
export function parseHeader(sector: Buffer, lba: number, sectors: number): HeaderFields {
  if (sector.toString('latin1', 0, 8) !== 'EFI PART') throw new SyntaxError('no GPT signature')
  if (sector.readUInt32LE(8) !== 0x00010000) throw new SyntaxError('unknown GPT revision')
  if (sector.readUInt32LE(12) !== headerBytes) throw new SyntaxError('unknown header size')
  if (sector.readUInt32LE(16) !== headerCrc(sector)) throw new SyntaxError('bad checksum of the header')
  if (readLba(sector, 24) !== lba) throw new RangeError('the header says that it lies elsewhere')
  if (sector.readUInt32LE(80) !== entriesMax || sector.readUInt32LE(84) !== entryBytes)
    throw new RangeError('not 128 entries of 128 bytes')
  const header = {
    diskGuid: guidFromBytes(sector.subarray(56, 72)),
    alternateLba: readLba(sector, 32),
    entriesLba: readLba(sector, 72),
    firstUsable: readLba(sector, 40),
    lastUsable: readLba(sector, 48),
    entriesCrc: sector.readUInt32LE(88),
  }
  checkPlaces(header, lba, sectors)
  return header
}

function headerCrc(sector: Buffer): number {
  const bytes = Buffer.from(sector.subarray(0, headerBytes))
  bytes.writeUInt32LE(0, 16)
  return crc32(bytes)
}

function checkPlaces(header: HeaderFields, lba: number, sectors: number): void {
  const { firstUsable, lastUsable, alternateLba } = header
  const entriesLba = lba === 1 ? 2 : lba - entriesSectors
  if (header.entriesLba !== entriesLba) throw new RangeError('entries are not next to the header')
  if (firstUsable < primarySectors || lastUsable < firstUsable || lastUsable > lastUsableLba(sectors))
    throw new RangeError('usable sectors are outside of the disk')
  if (alternateLba === lba || alternateLba >= sectors)
    throw new RangeError('other copy is outside of the disk')
}

/** Reads the 32 sectors of entries that belong to a header. Throws as `parseHeader` does. */
export function parseEntries(entries: Buffer, header: HeaderFields): Table {
  if (crc32(entries) !== header.entriesCrc) throw new SyntaxError('bad checksum of the entries')
  const partitions: (Partition | undefined)[] = []
  for (let at = 0; at < entries.length; at += entryBytes)
    partitions.push(parseEntry(entries.subarray(at, at + entryBytes)))
  while (partitions.length > 0 && partitions.at(-1) === undefined) partitions.pop()
  checkPartitions(partitions, header.firstUsable, header.lastUsable)
  return { diskGuid: header.diskGuid, partitions }
}

function parseEntry(entry: Buffer): Partition | undefined {
  const type = guidFromBytes(entry.subarray(0, 16))
  if (type === nilGuid) return undefined
  return {
    label: entry.toString('utf16le', 56, entryBytes).replace(/\0.*$/s, ''),
    type,
    guid: guidFromBytes(entry.subarray(16, 32)),
    firstLba: readLba(entry, 32),
    lastLba: readLba(entry, 40),
    attributes: entry.readBigUInt64LE(48),
  }
}

function readLba(bytes: Buffer, at: number): number {
  const lba = bytes.readBigUInt64LE(at)
  if (lba > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError('sector number is too large')
  return Number(lba)
}

function checkLayout(layout: Layout): void {
  if (!Number.isSafeInteger(layout.sectors) || layout.sectors < primarySectors + backupSectors + 1)
    throw new RangeError(`Cannot make GPT: ${layout.sectors} sectors`)
  if (layout.partitions.length > entriesMax) throw new RangeError('Cannot make GPT: more than 128 partitions')
  for (const partition of layout.partitions)
    if (partition !== undefined && (partition.label.length > 36 || /[\0]/.test(partition.label)))
      throw new RangeError(`Cannot make GPT: label '${partition.label}'`)
  checkPartitions(layout.partitions, primarySectors, lastUsableLba(layout.sectors))
}

function checkPartitions(partitions: Table['partitions'], firstUsable: number, lastUsable: number): void {
  const used = partitions.filter(partition => partition !== undefined)
  const guids = new Set<string>()
  for (const { label, guid, firstLba, lastLba } of used) {
    if (firstLba < firstUsable || lastLba > lastUsable || firstLba > lastLba)
      throw new RangeError(`partition '${label}' is out of bounds`)
    if (guid === nilGuid || guids.has(guid.toUpperCase()))
      throw new RangeError(`partition '${label}' has the GUID of another`)
    guids.add(guid.toUpperCase())
  }
  const sorted = used.toSorted((a, b) => a.firstLba - b.firstLba)
  for (const [index, partition] of sorted.entries())
    if (partition.firstLba <= (sorted[index - 1]?.lastLba ?? -1))
      throw new RangeError(`partition '${partition.label}' overlaps another`)
}
