import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { randomFillSync, randomUUID } from 'node:crypto'
import { copyFile, truncate, writeFile } from 'node:fs/promises'
import { run } from '../../../agent/system/run.ts'
import {
  copyOffsets,
  goodCopies,
  parseLuksCopy,
  readLuksCopies,
  serialiseLuksCopy,
  type CopyName,
  type LuksCopies,
  type LuksCopy,
} from '../../../agent/disk/luks2.ts'
import { formatVolume } from '../../../agent/unlock/volume.ts'

export const partitionBytes = 40 * 1024 * 1024

export type Sample = { readonly device: string; readonly uuid: string; readonly secret: Buffer }

/** A file of zeros: a blank partition. */
export async function blankFile(folder: string, name = 'data.img'): Promise<string> {
  const device = join(folder, name)
  await writeFile(device, '')
  await truncate(device, partitionBytes)
  return device
}

/** A file formatted by the real cryptsetup. */
export async function formattedFile(folder: string): Promise<Sample> {
  const device = await blankFile(folder)
  const sample = { device, uuid: randomUUID(), secret: randomFillSync(Buffer.alloc(32)) }
  await formatVolume(run, sample)
  return sample
}

export async function copiesOf(device: string): Promise<LuksCopies> {
  const file = await open(device, 'r')
  try {
    return await readLuksCopies(file)
  } finally {
    await file.close()
  }
}

/** The good copies of a header that has both. */
export async function goodPair(device: string): Promise<{ primary: LuksCopy; secondary: LuksCopy }> {
  const [primary, secondary] = goodCopies(await copiesOf(device))
  if (primary === undefined || secondary === undefined) throw new Error('sample header is damaged')
  return { primary, secondary }
}

type Metadata = { [key: string]: Metadata }

/** A copy with other metadata, under a good checksum: what somebody with the disk can write. */
export function withMetadata(copy: LuksCopy, edit: (metadata: Metadata) => unknown): LuksCopy {
  const metadata = JSON.parse(copy.json) as Metadata
  edit(metadata)
  return parseLuksCopy(serialiseLuksCopy({ ...copy, json: JSON.stringify(metadata) }), copy.name)
}

export async function writeCopies(device: string, copies: readonly LuksCopy[]): Promise<void> {
  for (const copy of copies) await writeAt(device, copyOffsets[copy.name], serialiseLuksCopy(copy))
}

/** Makes a copy's checksum wrong. */
export async function damageCopy(device: string, name: CopyName): Promise<void> {
  await writeAt(device, copyOffsets[name] + 4096 + 100, Buffer.from('?'))
}

export async function writeAt(device: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await open(device, 'r+')
  try {
    await file.write(bytes, 0, bytes.length, offset)
  } finally {
    await file.close()
  }
}

/** A copy of a formatted file that a test may spoil. */
export async function spoiledCopy(t: { testdir(): string }, device: string): Promise<string> {
  const path = join(t.testdir(), 'data.img')
  await copyFile(device, path)
  return path
}
