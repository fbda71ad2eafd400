import { mkdir, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { step, tool } from './step.ts'

/**
 * Copies the artefacts of a cached build to dist/, each under its name only when it is whole. What is in dist/
 * already is judged by size and time of the last change, which the copies keep: so a file that was removed, or
 * changed in its place, comes back, and a warm build reads no gigabytes. Returns the path of the qcow2.
 */
export async function publish(made: string, dist: string): Promise<string> {
  await mkdir(dist, { recursive: true })
  const files = (await readdir(made)).filter(name => name.startsWith('oramaos-'))
  const image = files.find(name => name.endsWith('.qcow2'))
  if (image === undefined) throw new Error(`Cannot publish '${made}': it has no qcow2`)
  const stale: string[] = []
  for (const file of files) if (!(await isCopy(join(made, file), join(dist, file)))) stale.push(file)
  if (stale.length > 0)
    await step(`dist: ${stale.join(', ')}`, async () => {
      for (const file of stale) await replace(join(made, file), join(dist, file))
    })
  return join(dist, image)
}

async function isCopy(original: string, copy: string): Promise<boolean> {
  const { size, mtimeNs } = await stat(original, { bigint: true })
  const found = await stat(copy, { bigint: true }).catch(() => undefined)
  return found?.isFile() === true && found.size === size && found.mtimeNs === mtimeNs
}

async function replace(original: string, copy: string): Promise<void> {
  const flags = ['--sparse=always', '--reflink=auto', '--preserve=timestamps']
  await tool('cp', [...flags, original, `${copy}.new`])
  await rename(`${copy}.new`, copy)
}
