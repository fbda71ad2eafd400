import { pbkdf2, timingSafeEqual } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { secretBuffer } from '../../protocol/secret.ts'
import type { Run } from '../system/run.ts'
import { syncFolder } from '../system/sync.ts'
import { settledMetadata } from './header-write.ts'
import type { LuksHeader } from './luks-header.ts'
import { saveVolumeKey } from './volume.ts'

const keyBytes = 64

/**
 * Has the file hold the key of the volume, as the header has it: after a re-encryption it holds the one of before, also
 * where the power was cut between them. Whole or not at all. Throws what cryptsetup or the file system says.
 */
export async function keepVolumeKey(
  run: Run,
  of: {
    readonly device: string
    readonly header: LuksHeader
    readonly secret: Buffer
    readonly file: string
  },
): Promise<void> {
  if (await isKeyOf(of.header, of.file)) return
  const beside = `${of.file}.new`
  await rm(beside, { force: true })
  await saveVolumeKey(run, { ...of, file: beside })
  const written = await open(beside, 'r')
  await written.sync().finally(() => written.close())
  await rename(beside, of.file)
  await syncFolder(dirname(of.file))
}

/** Does the file hold the key that the header's digest is of? While the volume has two keys it may hold either. */
async function isKeyOf(header: LuksHeader, path: string): Promise<boolean> {
  const digests = Object.values(settledMetadata(header).digests)
  const key = secretBuffer(keyBytes)
  try {
    const file = await open(path, 'r')
    await file.read(key, 0, keyBytes, 0).finally(() => file.close())
    for (const { salt, iterations, digest } of digests) {
      const found = await promisify(pbkdf2)(key, Buffer.from(salt, 'base64'), iterations, 32, 'sha256')
      if (timingSafeEqual(found, Buffer.from(digest, 'base64'))) return true
    }
    return false
  } catch {
    return false
  } finally {
    key.fill(0)
  }
}
