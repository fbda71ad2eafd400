import { createHash } from 'node:crypto'
import { open, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { openDisk, readExactly } from '../../../agent/disk/disk.ts'
import { partitionLabels } from '../../../agent/disk/find.ts'
import { sectorBytes } from '../../../agent/disk/gpt.ts'
import { type FoundTable, readTable } from '../../../agent/disk/table.ts'
import { type Disk, makeRawCopy } from '../../../qemu/disk.ts'
import { diskBytes, type Site } from './node.ts'

/** Where something lies in a file, in bytes. */
export type Range = { readonly offset: number; readonly bytes: number }

/**
 * A raw disk of the site made from an image, which a test edits between boots: what somebody does who has the
 * disk in his hands. As large as the site's other disk, unless `sizeBytes` says 'image'.
 */
export async function rawDisk(
  site: Site,
  image: string,
  { name = 'raw', size = 'site' }: { name?: string; size?: 'site' | 'image' } = {},
): Promise<Disk> {
  const disk = await makeRawCopy({ file: image, format: 'qcow2' }, join(site.folder, `${name}.img`))
  if (size === 'site') await truncate(disk.file, diskBytes)
  return disk
}

/** The partition table as the agent's own parser reads it, and the state of both copies. */
export async function tableOf({ file }: Disk): Promise<FoundTable> {
  await using disk = await openDisk(file, 'r')
  return await readTable(disk)
}

type Label = (typeof partitionLabels)[keyof typeof partitionLabels]

/** Where a partition lies on a raw disk. Throws when there is none of this label. */
export async function partitionOf(disk: Disk, label: Label): Promise<Range> {
  const { table } = await tableOf(disk)
  const found = table.partitions.find(partition => partition?.label === label)
  if (found === undefined) throw new Error(`Cannot find partition '${label}' on '${disk.file}'`)
  const { firstLba, lastLba } = found
  return { offset: firstLba * sectorBytes, bytes: (lastLba - firstLba + 1) * sectorBytes }
}

export async function readAt({ file }: Disk, { offset, bytes }: Range): Promise<Buffer> {
  await using handle = await open(file, 'r')
  return await readExactly(handle, offset, bytes)
}

export async function writeAt({ file }: Disk, offset: number, bytes: Uint8Array): Promise<void> {
  await using handle = await open(file, 'r+')
  await handle.write(bytes, 0, bytes.length, offset)
}

/** Inverts all bits of the bytes at these places. */
export async function flipBytes(disk: Disk, offsets: readonly number[]): Promise<void> {
  await using handle = await open(disk.file, 'r+')
  for (const offset of offsets) {
    const byte = await readExactly(handle, offset, 1)
    await handle.write(Buffer.of(byte.readUInt8(0) ^ 0xff), 0, 1, offset)
  }
}

const stepBytes = 4 * 1024 * 1024

/** SHA-256 of a part of the disk, in hex. */
export async function hashAt({ file }: Disk, { offset, bytes }: Range): Promise<string> {
  await using handle = await open(file, 'r')
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += stepBytes)
    hash.update(await readExactly(handle, offset + at, Math.min(stepBytes, bytes - at)))
  return hash.digest('hex')
}
