import { randomFillSync } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import {
  binaryBytes,
  copyBytes,
  copyOffsets,
  keyslotsBytes,
  keyslotsOffset,
  newestCopy,
  readLuksCopies,
  serialiseLuksCopy,
} from '../disk/luks2.ts'

/** Writes bytes at an offset; tests cut it off. */
export type Put = (file: FileHandle, offset: number, bytes: Uint8Array) => Promise<void>

const chunkBytes = 1024 * 1024

/**
 * Destroys what opens the volume of a node that has left, and makes its partition blank: the data is noise then, and
 * the node can be enrolled anew. Each step may be the last before a power cut:
 *
 *   1. the keyslots are overwritten            the header still names the node, which has left: begun anew
 *   2. the second copy gets no tokens          the first still names it
 *   3. the first copy gets no tokens           the partition is `pending`: this runs at the next boot
 *   4. the copies are overwritten with zeros   `pending`, then `blank`
 *
 * Also ends an enrollment that was cut off. The volume has to be closed. Throws what the device says.
 */
export async function eraseVolume(device: string, put: Put = putAll): Promise<void> {
  const file = await open(device, 'r+')
  const write = async (offset: number, bytes: Uint8Array) => {
    await put(file, offset, bytes)
    await file.sync()
  }
  try {
    for (let at = 0; at < keyslotsBytes; at += chunkBytes)
      await put(file, keyslotsOffset + at, randomFillSync(Buffer.alloc(chunkBytes)))
    await file.sync()
    await dropTokens(file, write)
    await write(copyOffsets.secondary, Buffer.alloc(copyBytes))
    // The label in the first sector says until the end what is being done.
    await write(copyOffsets.primary + binaryBytes, Buffer.alloc(copyBytes - binaryBytes))
    await write(copyOffsets.primary, Buffer.alloc(binaryBytes))
  } finally {
    await file.close()
  }
}

/** While the one copy is written the other is whole. Where neither is any more there is nothing to drop. */
async function dropTokens(
  file: FileHandle,
  write: (offset: number, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const newest = newestCopy(await readLuksCopies(file))
  if (newest === undefined) return
  const json = JSON.stringify({ ...(JSON.parse(newest.json) as object), tokens: {} })
  for (const name of ['secondary', 'primary'] as const)
    await write(copyOffsets[name], serialiseLuksCopy({ ...newest, name, json }, copyBytes))
}

async function putAll(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, offset)
  if (bytesWritten !== bytes.length) throw new Error(`Cannot write ${bytes.length} bytes at ${offset}: short`)
}
