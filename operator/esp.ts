import { parseEntries, parseHeader, partitionTypes, primarySectors, sectorBytes } from '../agent/disk/gpt.ts'
import type { Table } from '../agent/disk/gpt.ts'

/** Where a partition lies, in bytes from the start of the disk. */
export type Range = { readonly offset: number; readonly length: number }

/** How many bytes from the start of a disk `findEsp` needs. */
export const tableBytes = primarySectors * sectorBytes

// An ESP is read into memory as a whole.
const espBytesMax = 4 * 1024 ** 3

/**
 * The first EFI system partition in the primary GPT of a disk of `diskBytes` bytes, by the parser that the node has.
 * Throws SyntaxError.
 */
export function findEsp(start: Buffer, diskBytes: number): Range {
  const { partitions } = readPrimary(start, diskBytes)
  const esp = partitions.find(partition => partition?.type === partitionTypes.esp)
  if (esp === undefined) throw new SyntaxError('Cannot read the disk: it has no EFI system partition')
  const length = (esp.lastLba - esp.firstLba + 1) * sectorBytes
  if (length > espBytesMax)
    throw new SyntaxError('Cannot read the disk: its EFI system partition has more than 4 GiB')
  return { offset: esp.firstLba * sectorBytes, length }
}

function readPrimary(start: Buffer, diskBytes: number): Table {
  if (start.length < tableBytes)
    throw new SyntaxError('Cannot read the disk: too short for a partition table')
  try {
    const header = parseHeader(start.subarray(sectorBytes), 1, Math.floor(diskBytes / sectorBytes))
    return parseEntries(start.subarray(2 * sectorBytes, tableBytes), header)
  } catch (cause) {
    throw new SyntaxError('Cannot read the partition table of the disk', { cause })
  }
}
