import { open, type FileHandle } from 'node:fs/promises'

/**
 * The log of QEMU's `blklogwrites` driver, which is that of the kernel's dm-log-writes (drivers/md/dm-log-writes.c):
 * a superblock in sector 0, then per entry one sector of header and its data. All numbers are little-endian.
 *
 * | superblock  | offset | bytes |     | entry      | offset | bytes |
 * |-------------|--------|-------|-----|------------|--------|-------|
 * | magic       | 0      | 8     |     | sector     | 0      | 8     |
 * | version (1) | 8      | 8     |     | sectors    | 8      | 8     |
 * | entries     | 16     | 8     |     | flags      | 16     | 8     |
 * | sector size | 24     | 4     |     | mark bytes | 24     | 8     |
 */
export type WriteEntry = {
  /** 0 for the first entry. */
  readonly index: number
  readonly kind: 'write' | 'discard' | 'flush' | 'mark'
  /** The write is on the disk before the guest hears of its end. */
  readonly forced: boolean
  readonly offset: number
  readonly bytes: number
  /** Where in the log the data of a write begins. */
  readonly dataAt: number
}

export type WriteLog = AsyncDisposable & {
  readonly count: number
  /** All entries in the order of the guest's writes. Throws SyntaxError where the log is damaged. */
  readonly entries: () => AsyncGenerator<WriteEntry, void>
  /** Reads a part of the log, such as the data of a write; throws RangeError past its end. */
  readonly read: (at: number, into: Uint8Array) => Promise<void>
}

const magic = 0x6a736677736872n
const superblockBytes = 28
const entryBytes = 32
const flags = { flush: 1n, forced: 2n, discard: 4n, mark: 8n }
const positionMax = BigInt(Number.MAX_SAFE_INTEGER)

/** Opens a log. Entries after the last flush count only once QEMU has ended in order (it then writes their number). */
export async function openWriteLog(path: string): Promise<WriteLog> {
  const file = await open(path, 'r')
  try {
    const read = (at: number, into: Uint8Array) => readFully(file, at, into)
    const head = Buffer.alloc(superblockBytes)
    const { size } = await file.stat()
    if (size > 0) await read(0, head)
    // QEMU writes the superblock with the first entry: a guest that wrote nothing leaves an empty file.
    const { count, sectorBytes } = size === 0 ? { count: 0, sectorBytes: 512 } : parseSuperblock(head)
    const entries = () => readEntries({ read, count, sectorBytes })
    return { count, entries, read, [Symbol.asyncDispose]: () => file.close() }
  } catch (cause) {
    await file.close()
    throw new SyntaxError(`Cannot read write log '${path}'`, { cause })
  }
}

function parseSuperblock(head: Buffer): { count: number; sectorBytes: number } {
  if (head.readBigUInt64LE(0) !== magic) throw new SyntaxError('Not a write log: wrong magic')
  if (head.readBigUInt64LE(8) !== 1n) throw new SyntaxError('Unknown version of write log')
  const sectorBytes = head.readUInt32LE(24)
  if (sectorBytes < 512 || sectorBytes > 65_536 || (sectorBytes & (sectorBytes - 1)) !== 0)
    throw new SyntaxError(`Impossible sector size in write log: ${sectorBytes}`)
  return { count: toNumber(head.readBigUInt64LE(16)), sectorBytes }
}

type Source = Pick<WriteLog, 'read' | 'count'> & { readonly sectorBytes: number }

async function* readEntries({ read, count, sectorBytes }: Source): AsyncGenerator<WriteEntry, void> {
  const head = Buffer.alloc(entryBytes)
  let at = sectorBytes
  for (let index = 0; index < count; index += 1) {
    await read(at, head)
    const entry = parseEntry(head, { index, sectorBytes, dataAt: at + sectorBytes })
    yield entry
    at = entry.dataAt + (entry.kind === 'write' ? entry.bytes : 0)
  }
}

/** One entry's header. */
export function parseEntry(
  head: Buffer,
  { index, sectorBytes, dataAt }: { index: number; sectorBytes: number; dataAt: number },
): WriteEntry {
  const bits = head.readBigUInt64LE(16)
  if (bits > 15n)
    throw new SyntaxError(`Cannot read entry ${index} of a write log: unknown flags ${bits.toString(2)}`)
  const size = BigInt(sectorBytes)
  const bytes = toNumber(head.readBigUInt64LE(8) * size)
  const forced = (bits & flags.forced) !== 0n
  return {
    index,
    kind: kindOf(bits, bytes),
    forced,
    offset: toNumber(head.readBigUInt64LE(0) * size),
    bytes,
    dataAt,
  }
}

function kindOf(bits: bigint, bytes: number): WriteEntry['kind'] {
  if ((bits & flags.mark) !== 0n) return 'mark'
  if ((bits & flags.discard) !== 0n) return 'discard'
  return bytes === 0 ? 'flush' : 'write'
}

function toNumber(value: bigint): number {
  if (value > positionMax) throw new RangeError(`Impossible number in write log: ${value}`)
  return Number(value)
}

async function readFully(file: FileHandle, at: number, into: Uint8Array): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file.read(into, done, into.length - done, at + done)
    if (bytesRead === 0) throw new RangeError(`Write log ends at ${at + done}, want ${at + into.length}`)
    done += bytesRead
  }
}
