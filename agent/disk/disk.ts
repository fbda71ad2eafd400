import { open, type FileHandle } from 'node:fs/promises'
import { ffi } from '../system/late.ts'
import { ioctl } from '../system/libc.ts'
import { sectorBytes } from './gpt.ts'

/** A disk, or a file with the content of one, addressed in sectors of 512 bytes. */
export type Disk = {
  readonly sectors: number
  read(lba: number, count: number): Promise<Buffer>
  write(lba: number, bytes: Uint8Array): Promise<void>
  /** Returns when everything written is on the medium. */
  sync(): Promise<void>
  /** Tells the kernel a partition's new end; nothing for a file. The partition may be in use. */
  resize(partition: Extent): void
}

export type Extent = { readonly number: number; readonly firstLba: number; readonly lastLba: number }

export type OpenDisk = Disk & AsyncDisposable

// Requests of linux/fs.h and linux/blkpg.h.
const blkSectorSize = 0x1268
const blkGetSize64 = 0x80081272
const blkPartition = 0x1269
const blkPartitionResize = 3

/**
 * Opens a block device or a file, 'r' or 'r+'. Throws RangeError for a device whose logical sectors are not 512
 * bytes long, and what open(2) says.
 */
export async function openDisk(path: string, how: 'r' | 'r+'): Promise<OpenDisk> {
  const file = await open(path, how)
  try {
    const isDevice = (await file.stat()).isBlockDevice()
    if (isDevice) checkSectorSize(file.fd, path)
    return diskOf(file, Math.floor((await fileBytes(file)) / sectorBytes), isDevice)
  } catch (error) {
    await file.close()
    throw error
  }
}

function diskOf(file: FileHandle, sectors: number, isDevice: boolean): OpenDisk {
  return {
    sectors,
    read: (lba, count) => readExactly(file, lba * sectorBytes, count * sectorBytes),
    async write(lba, bytes) {
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, lba * sectorBytes)
      if (bytesWritten !== bytes.length) throw new Error(`Cannot write sector ${lba}: short write`)
    },
    sync: () => file.sync(),
    resize(partition) {
      if (isDevice) resizePartition(file.fd, partition)
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/** Reads `length` bytes at `offset`. Throws RangeError where the file ends before. */
export async function readExactly(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0)
      throw new RangeError(`Cannot read ${length} bytes at ${offset}: the end comes before`)
    done += bytesRead
  }
  return bytes
}

function checkSectorSize(fd: number, path: string): void {
  const word = Buffer.alloc(8)
  ioctl(fd, blkSectorSize, word)
  const bytes = word.readInt32LE(0)
  if (bytes !== sectorBytes) throw new RangeError(`Cannot use '${path}': sectors of ${bytes} bytes, need 512`)
}

/** Size of a file or a block device (whose stat says 0). */
export async function fileBytes(file: FileHandle): Promise<number> {
  const stat = await file.stat()
  if (!stat.isBlockDevice()) return stat.size
  const word = Buffer.alloc(8)
  ioctl(file.fd, blkGetSize64, word)
  return Number(word.readBigUInt64LE(0))
}

/**
 * struct blkpg_ioctl_arg { int op, flags, datalen; void *data } and struct blkpg_partition { long long start,
 * length; int pno; char devname[64], volname[64] }, in bytes. Works while the disk is in use, where re-reading
 * the table is EBUSY.
 */
function resizePartition(fd: number, { number, firstLba, lastLba }: Extent): void {
  const partition = Buffer.alloc(152)
  partition.writeBigInt64LE(BigInt(firstLba * sectorBytes), 0)
  partition.writeBigInt64LE(BigInt((lastLba - firstLba + 1) * sectorBytes), 8)
  partition.writeInt32LE(number, 16)
  const argument = Buffer.alloc(24)
  argument.writeInt32LE(blkPartitionResize, 0)
  argument.writeInt32LE(partition.length, 8)
  argument.writeBigUInt64LE(ffi().getRawPointer(partition), 16)
  ioctl(fd, blkPartition, argument)
  // Read after the call, so that the collector keeps the memory that the argument points to.
  if (partition.readInt32LE(16) !== number) throw new Error('Cannot resize partition: argument was changed')
}
