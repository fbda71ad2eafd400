import { open } from 'node:fs/promises'
import type { Table } from '../agent/disk/gpt.ts'
import { readTable } from '../agent/disk/table.ts'

const blockBytes = 1024 * 1024
const sectorBytes = 512

/**
 * The offset of the first byte in which two files differ, undefined if they are the same. Where one is the
 * beginning of the other, it is the length of the shorter one.
 */
export async function firstDifference(one: string, other: string): Promise<number | undefined> {
  await using a = await open(one)
  await using b = await open(other)
  const [left, right] = [Buffer.alloc(blockBytes), Buffer.alloc(blockBytes)]
  for (let offset = 0; ; offset += blockBytes) {
    const [{ bytesRead: n }, { bytesRead: m }] = await Promise.all([
      a.read(left, 0, blockBytes, offset),
      b.read(right, 0, blockBytes, offset),
    ])
    const shared = Math.min(n, m)
    if (left.compare(right, 0, shared, 0, shared) !== 0)
      return offset + left.findIndex((byte, index) => byte !== right[index])
    if (n !== m) return offset + shared
    if (n < blockBytes) return undefined
  }
}

/** Names the part of a disk that a byte lies in, by its partition table: `partition 'esp', byte 5`. */
export function partOf(offset: number, { partitions }: Table): string {
  for (const partition of partitions) {
    if (partition === undefined) continue
    const first = partition.firstLba * sectorBytes
    if (offset >= first && offset < (partition.lastLba + 1) * sectorBytes)
      return `partition '${partition.label}', byte ${offset - first}`
  }
  return 'the partition table, or between partitions'
}

/** The same for a disk image in a file; undefined if it has no partition table that can be read. */
export async function partOfImage(offset: number, file: string): Promise<string | undefined> {
  // Brings node:ffi and its warning along: only where something differs.
  const { openDisk } = await import('../agent/disk/disk.ts')
  await using disk = await openDisk(file, 'r')
  const found = await readTable(disk).catch(() => undefined)
  return found && partOf(offset, found.table)
}

/** Rows of `sha256sum`: name → hash. Throws SyntaxError for a line that is none. */
export function parseSums(text: string): Map<string, string> {
  const rows = text.split('\n').filter(line => line !== '')
  return new Map(
    rows.map(line => {
      const [, hash, name] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? []
      if (hash === undefined || name === undefined)
        throw new SyntaxError(`Cannot read checksums: '${line.slice(0, 100)}'`)
      return [name, hash]
    }),
  )
}
