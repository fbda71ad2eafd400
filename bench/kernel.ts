import { openApt } from '../image/debian/apt.ts'
import { download } from '../image/debian/packages.ts'
import { buildKernel } from '../image/kernel/build.ts'

/** The image's kernel, a bzImage, for machines that boot without a disk image of ours. */
export async function imageKernel(): Promise<string> {
  const [source] = await download(await openApt(), ['linux-source-6.12'])
  if (source === undefined) throw new Error('Cannot find linux-source-6.12 in the package index')
  return (await buildKernel(source)).bzImage
}
