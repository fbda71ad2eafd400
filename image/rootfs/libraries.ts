import { lstat, readlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { exists } from '../cache.ts'
import { tool } from '../step.ts'
import { libraryFolder } from './contents.ts'

/** The sonames that an ELF file names as NEEDED, by `readelf -d`. An archive or a static program has none. */
export async function neededBy(file: string): Promise<string[]> {
  const text = await tool('readelf', ['--dynamic', '--wide', file], { log: 'readelf' })
  return [...text.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(match => match[1] ?? '')
}

/**
 * Everything that these ELF files load, directly or not, found below `root`: soname → path of the real file.
 * Throws if one is not there, naming who wants it.
 */
export async function libraryClosure(files: readonly string[], root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const queue = [...files]
  for (let file = queue.shift(); file !== undefined; file = queue.shift())
    for (const soname of await neededBy(file)) {
      if (found.has(soname) || soname.startsWith('ld-linux')) continue
      const path = await findLibrary(soname, root)
      if (path === undefined) throw new Error(`Cannot find '${soname}', which '${file}' needs`)
      found.set(soname, path)
      queue.push(path)
    }
  return found
}

/** A library by its soname in the folders where Debian and Buildroot put them, links followed inside `root`. */
export async function findLibrary(soname: string, root: string): Promise<string | undefined> {
  for (const folder of ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', libraryFolder]) {
    const path = join(root, folder, soname)
    if (!(await lstat(path).catch(() => undefined))) continue
    return followLink(path)
  }
  return undefined
}

/**
 * The folders in which a loader looks for libraries without being told, as it says itself: paths from the root of its
 * tree. It has to run here.
 */
export async function searchedFolders(loader: string): Promise<string[]> {
  const text = await tool(loader, ['--help'], { log: 'loader' })
  return [...text.matchAll(/^ +(\S+) \(.*system search path\)$/gm)].map(match => match[1] ?? '')
}

async function followLink(path: string): Promise<string> {
  const stats = await lstat(path)
  if (!stats.isSymbolicLink()) return path
  const target = await readlink(path)
  const next = join(dirname(path), basename(target))
  if (!(await exists(next))) throw new Error(`Cannot follow the link '${path}' to '${target}'`)
  return followLink(next)
}
