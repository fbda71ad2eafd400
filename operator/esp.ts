/** Where a partition lies, in bytes from the start of the disk. */
export type Range = { readonly offset: number; readonly length: number }

const sectorBytes = 512
// EFI System Partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B, as GPT stores it.
const espType = Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex')

/** How many bytes from the start of a disk `findEsp` needs. */
export const tableBytes = 34 * sectorBytes

/** The first EFI system partition in the primary GPT of a disk with 512-byte sectors. Throws SyntaxError. */
export function findEsp(start: Buffer): Range {
  if (start.length < tableBytes)
    throw new SyntaxError('Cannot read the disk: too short for a partition table')
  if (start.toString('latin1', sectorBytes, sectorBytes + 8) !== 'EFI PART')
    throw new SyntaxError('Cannot read the disk: it has no GPT')
  const { at, count, size } = entryArray(start.subarray(sectorBytes, 2 * sectorBytes))
  for (let index = 0; index < count; index++) {
    const entry = start.subarray(at + index * size, at + (index + 1) * size)
    if (entry.subarray(0, 16).equals(espType)) return rangeOf(entry)
  }
  throw new SyntaxError('Cannot read the disk: it has no EFI system partition')
}

function entryArray(header: Buffer): { at: number; count: number; size: number } {
  const at = Number(header.readBigUInt64LE(72)) * sectorBytes
  const count = header.readUInt32LE(80)
  const size = header.readUInt32LE(84)
  if (size !== 128 || at + count * size > tableBytes)
    throw new SyntaxError('Cannot read the disk: its GPT has an unusual shape')
  return { at, count, size }
}

function rangeOf(entry: Buffer): Range {
  const first = Number(entry.readBigUInt64LE(32))
  const last = Number(entry.readBigUInt64LE(40))
  const length = (last - first + 1) * sectorBytes
  if (first < 34 || length <= 0 || length > 4 * 1024 ** 3)
    throw new SyntaxError('Cannot read the disk: its EFI system partition has impossible bounds')
  return { offset: first * sectorBytes, length }
}
