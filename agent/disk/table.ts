import type { Disk } from './disk.ts'
import {
  backupSectors,
  lastUsableLba,
  makeGpt,
  parseEntries,
  parseHeader,
  primarySectors,
  sectorBytes,
  type Table,
} from './gpt.ts'

/** What became of one copy: 'good', or why it cannot be used. */
export type CopyState = 'good' | { readonly bad: string }

export type FoundTable = {
  readonly table: Table
  readonly primary: CopyState
  readonly backup: CopyState
}

/**
 * Reads the partition table from the primary copy, or else from the backup at the disk's end, as the kernel does
 * with `gpt` on its command line. Throws when neither is good.
 */
export async function readTable(disk: Disk): Promise<FoundTable> {
  const primary = await readCopy(disk, 1)
  const backup = await readCopy(disk, disk.sectors - 1)
  const table = primary.table ?? backup.table
  if (table === undefined)
    throw new Error(`Cannot read partition table: primary: ${why(primary)}; backup: ${why(backup)}`)
  return { table, primary: primary.state, backup: backup.state }
}

type Copy = { readonly state: CopyState; readonly table?: Table }

async function readCopy(disk: Disk, lba: number): Promise<Copy> {
  if (disk.sectors < primarySectors + backupSectors) return { state: { bad: 'the disk is too small' } }
  const header = await disk.read(lba, 1)
  const entries = await disk.read(lba === 1 ? 2 : disk.sectors - backupSectors, backupSectors - 1)
  try {
    return { state: 'good', table: parseEntries(entries, parseHeader(header, lba, disk.sectors)) }
  } catch (error) {
    return { state: { bad: error instanceof Error ? error.message : 'unreadable' } }
  }
}

function why({ state }: Copy): string {
  return state === 'good' ? 'good' : state.bad
}

/**
 * Makes both copies good, equal and at their places: a bad copy is written anew from the good one, and on a disk
 * that has become larger the backup moves to its end. Writes nothing where nothing is to do.
 */
export async function repairTable(disk: Disk): Promise<FoundTable> {
  return rewriteTable(disk, table => table)
}

/**
 * Moves the backup copy to the disk's end and lets the partition with the highest number reach up to it; tells
 * the kernel. Repeating it, also after a power cut in the middle, is harmless.
 */
export async function growLast(disk: Disk): Promise<FoundTable> {
  const found = await rewriteTable(disk, table => withLastGrown(table, lastUsableLba(disk.sectors)))
  const number = found.table.partitions.length
  const last = found.table.partitions.at(-1)
  if (last !== undefined) disk.resize({ number, firstLba: last.firstLba, lastLba: last.lastLba })
  return found
}

// Partitions end at a whole MiB, so that no file system or cipher sees half of one of its blocks.
const alignSectors = (1024 * 1024) / sectorBytes

function withLastGrown(table: Table, lastUsable: number): Table {
  const last = table.partitions.at(-1)
  if (last === undefined) throw new RangeError('Cannot grow the last partition: there is none')
  if (table.partitions.some(other => other !== undefined && other.firstLba > last.firstLba))
    throw new RangeError(`Cannot grow partition '${last.label}': another one lies behind it`)
  const end = Math.floor((lastUsable + 1) / alignSectors) * alignSectors - 1
  const grown = { ...last, lastLba: Math.max(last.lastLba, end) }
  return { ...table, partitions: [...table.partitions.slice(0, -1), grown] }
}

/**
 * Writes the table that `change` makes of the present one. At every moment one copy is whole: the backup is
 * written only while the primary is good, and synced before the primary is touched.
 */
export async function rewriteTable(disk: Disk, change: (table: Table) => Table): Promise<FoundTable> {
  const found = await readTable(disk)
  const now = makeGpt({ ...found.table, sectors: disk.sectors })
  if (found.primary !== 'good') await writeChanged(disk, 0, now.primary)
  const table = change(found.table)
  const next = makeGpt({ ...table, sectors: disk.sectors })
  await writeChanged(disk, next.backupLba, next.backup)
  await writeChanged(disk, 0, next.primary)
  return { ...found, table }
}

async function writeChanged(disk: Disk, lba: number, bytes: Buffer): Promise<void> {
  if (bytes.equals(await disk.read(lba, bytes.length / sectorBytes))) return
  await disk.write(lba, bytes)
  await disk.sync()
}
