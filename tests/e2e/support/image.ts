import { join } from 'node:path'
import { buildImage } from '../../../image/build.ts'
import { thisRelease } from '../../../image/release.ts'

const dist = join(import.meta.dirname, '../../../dist')

export type ImageKind = 'ordinary' | 'faults'

/** Where a run of several test files says that it has built an image for all of them. */
export const builtImage = { ordinary: 'ORAMA_TEST_IMAGE', faults: 'ORAMA_TEST_IMAGE_FAULTS' } as const

/** The image of this checkout, ordinary or with fault injection, built if it is not there; a qcow2. */
export async function testImage(kind: ImageKind): Promise<string> {
  const built = process.env[builtImage[kind]]
  if (built !== undefined) return built
  const release = await thisRelease({ ...process.env, TEST: kind === 'faults' ? '1' : '0' })
  return buildImage(release, dist)
}
