import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { run } from '../agent/system/run.ts'

export type Disk = {
  readonly file: string
  readonly format: 'raw' | 'qcow2'
  /** Every write of the guest is recorded here, in the format of `write-log.ts`. */
  readonly writeLog?: string
}

const copyTimeoutMs = 300_000

/** A new qcow2 that holds only what differs from its base, which must not change any more. */
export async function makeOverlay(base: Disk, file: string, sizeBytes?: number): Promise<Disk> {
  const where = ['-b', resolve(base.file), '-F', base.format, resolve(file)]
  const size = sizeBytes === undefined ? [] : [String(sizeBytes)]
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...where, ...size])
  return { file: resolve(file), format: 'qcow2' }
}

/** A raw copy of a disk, with holes where it is zero. Of one that a machine uses: what its guest has flushed. */
export async function makeRawCopy(
  source: Disk,
  file: string,
  { inUse = false }: { readonly inUse?: boolean } = {},
): Promise<Disk> {
  const files = [resolve(source.file), resolve(file)]
  const shared = inUse ? ['--force-share'] : []
  await run('qemu-img', ['convert', '-q', ...shared, '-f', source.format, '-O', 'raw', ...files], {
    timeoutMs: copyTimeoutMs,
  })
  return { file: resolve(file), format: 'raw' }
}

/** An empty raw disk. */
export async function makeEmptyDisk(file: string, sizeBytes: number): Promise<Disk> {
  await run('qemu-img', ['create', '-q', '-f', 'raw', resolve(file), String(sizeBytes)])
  return { file: resolve(file), format: 'raw' }
}

/** The same disk with a new, empty log of what will be written to it. */
export async function logWrites(disk: Disk, writeLog: string): Promise<Disk> {
  await writeFile(writeLog, '')
  return { ...disk, writeLog: resolve(writeLog) }
}
