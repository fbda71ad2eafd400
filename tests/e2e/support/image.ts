import { join } from 'node:path'
import { buildImage } from '../../../image/build.ts'
import { thisRelease } from '../../../image/release.ts'

const dist = join(import.meta.dirname, '../../../dist')

/** The image of this checkout, ordinary or with fault injection, built if it is not there; a qcow2. */
export async function testImage(kind: 'ordinary' | 'faults'): Promise<string> {
  const release = await thisRelease({ ...process.env, TEST: kind === 'faults' ? '1' : '0' })
  return buildImage(release, dist)
}
