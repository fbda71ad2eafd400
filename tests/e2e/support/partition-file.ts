import { open } from 'node:fs/promises'
import { readExactly } from '../../../agent/disk/disk.ts'
import { run } from '../../../agent/system/run.ts'
import type { Disk } from '../../../qemu/disk.ts'
import { partitionOf, type Range } from './raw-disk.ts'

/** The data partition of a raw disk as a file of its own, so that it can be judged without a loop device. */
export type PartitionFile = {
  readonly file: string
  /** Where it lies on the disk. */
  readonly range: Range
  /** Copies once more what has changed on the disk. */
  readonly follow: (changed: Range) => Promise<void>
}

const copyTimeoutMs = 120_000
const stepBytes = 1024 * 1024

/** Copies the partition; what is zero becomes a hole. It lies where the disk's own table says, unless told. */
export async function partitionFile(disk: Disk, file: string, range?: Range): Promise<PartitionFile> {
  const where = range ?? (await partitionOf(disk, 'data'))
  const part = { driver: 'raw', offset: where.offset, size: where.bytes }
  const source = `json:${JSON.stringify({ ...part, file: { driver: 'file', filename: disk.file } })}`
  await run('qemu-img', ['convert', '-q', '-O', 'raw', source, file], { timeoutMs: copyTimeoutMs })
  const follow = async (changed: Range) => {
    const { offset, bytes } = overlap(where, changed)
    await using from = await open(disk.file, 'r')
    await using to = await open(file, 'r+')
    for (let done = 0; done < bytes; done += stepBytes) {
      const step = await readExactly(from, offset + done, Math.min(stepBytes, bytes - done))
      await to.write(step, 0, step.length, offset + done - where.offset)
    }
  }
  return { file, range: where, follow }
}

/** What two ranges have in common; no bytes where that is nothing. */
export function overlap(one: Range, other: Range): Range {
  const offset = Math.max(one.offset, other.offset)
  const end = Math.min(one.offset + one.bytes, other.offset + other.bytes)
  return { offset, bytes: Math.max(0, end - offset) }
}
