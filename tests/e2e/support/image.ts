import { join } from 'node:path'
import { buildImage } from '../../../image/build.ts'
import { thisRelease } from '../../../image/release.ts'

const dist = join(import.meta.dirname, '../../../dist')

/** Each kind is built into a folder of its own: they have one name. */
const kinds = {
  ordinary: { folder: dist, test: false, services: undefined },
  faults: { folder: dist, test: true, services: undefined },
  /** For many machines at a time: all that a cluster is made of, and nothing that only costs. */
  cluster: { folder: join(dist, 'cluster'), test: true, services: 'rqlite,gateway' },
  /** For the rest of them: members and guardians without a registry, whose idle talk alone keeps two cores busy. */
  lean: { folder: join(dist, 'lean'), test: true, services: 'coredns' },
} as const

export type ImageKind = keyof typeof kinds

/** Where a run of several test files says that it has built an image for all of them. */
export const builtImage: Readonly<Record<ImageKind, string>> = {
  ordinary: 'ORAMA_TEST_IMAGE',
  faults: 'ORAMA_TEST_IMAGE_FAULTS',
  cluster: 'ORAMA_TEST_IMAGE_CLUSTER',
  lean: 'ORAMA_TEST_IMAGE_LEAN',
}

/** An image of this checkout, built if it is not there; a qcow2. */
export async function testImage(kind: ImageKind): Promise<string> {
  const built = process.env[builtImage[kind]]
  if (built !== undefined) return built
  const { folder, test, services } = kinds[kind]
  const release = await thisRelease({ ...process.env, TEST: test ? '1' : '0' })
  return buildImage(release, folder, services)
}
