import { lstat, open, readFile, realpath } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { walk } from '../walk.ts'
import {
  executables,
  executablesMax,
  libraryFolder,
  loader,
  openedLibraries,
  runtime,
  testServices,
} from './contents.ts'
import { libraryClosure, searchedFolders } from './libraries.ts'

/** What a tree is judged against: the programs of its services, and whether test code may be in the agent. */
export type Contract = {
  readonly servicePrograms: readonly string[]
  readonly test: boolean
}

/** A string of the fault injection in TEST=1 bundles: where it stands, the code is in. */
export const testMarker = 'qemu_fw_cfg/by_name/opt/orama'

const requiredFiles = [
  'etc/os-release',
  'etc/orama/image.json',
  'etc/passwd',
  'usr/lib/orama/agent.snapshot',
  loader,
  ...Object.keys(executables).map(name => `usr/bin/${name}`),
  ...Object.keys(openedLibraries).map(name => `${libraryFolder}/${name}`),
  `usr/bin/${runtime}`,
]

/**
 * Checks a root file system's tree, of either base, and returns every breach, each naming its file: missing
 * files, executables and libraries that are not listed, set-user-ID bits, scripts, special files, test code.
 */
export async function breaches(root: string, contract: Contract): Promise<string[]> {
  const paths = (await walk(root)).map(entry => relative(root, join(entry.parentPath, entry.name)))
  const found = requiredFiles.filter(path => !paths.includes(path)).map(path => `${path}: is missing`)
  const allowed = new Set(
    [...Object.keys(executables), runtime, ...contract.servicePrograms].map(n => `usr/bin/${n}`),
  )
  if (allowed.size - contract.servicePrograms.length > executablesMax)
    found.push('usr/bin: more programs than allowed')
  const libraries = await reachedLibraries(root, paths, allowed)
  for (const path of paths.sort()) {
    const why = await breach(root, path, { allowed, libraries })
    if (why !== undefined) found.push(`${path}: ${why}`)
  }
  if (paths.includes(loader)) found.push(...(await librariesOutOfSight(root)))
  return [...found, ...testServicesIn(paths, contract), ...(await testCode(root, contract))]
}

/** Libraries can all be there, and the loader looks elsewhere: PID 1 would not start. */
async function librariesOutOfSight(root: string): Promise<string[]> {
  const [searched, wanted] = [await searchedFolders(join(root, loader)), join(root, libraryFolder)]
  const real = await Promise.all(searched.map(path => realpath(join(root, path)).catch(() => '')))
  if (real.includes(await realpath(wanted))) return []
  return [`${libraryFolder}: the loader looks for libraries in ${searched.join(', ')} only`]
}

function testServicesIn(paths: readonly string[], { test }: Contract): string[] {
  const found = testServices
    .map(name => `usr/lib/orama/services/${name}`)
    .filter(path => !test && paths.includes(path))
  return found.map(path => `${path}: is a service that only TEST=1 images may have`)
}

async function reachedLibraries(
  root: string,
  paths: readonly string[],
  programs: Set<string>,
): Promise<Set<string>> {
  const present = paths.filter(path => programs.has(path)).map(path => join(root, path))
  const closure = await libraryClosure(present, root)
  return new Set([...closure.keys(), ...Object.keys(openedLibraries)].map(name => `${libraryFolder}/${name}`))
}

type Allowed = { readonly allowed: Set<string>; readonly libraries: Set<string> }

async function breach(
  root: string,
  path: string,
  { allowed, libraries }: Allowed,
): Promise<string | undefined> {
  const stats = await lstat(join(root, path))
  if (stats.isDirectory() || stats.isSymbolicLink()) return undefined
  if (!stats.isFile()) return 'is a special file'
  if ((stats.mode & 0o7000) !== 0) return 'has a set-user-ID, set-group-ID or sticky bit'
  if ((stats.mode & 0o022) !== 0) return 'can be written by others'
  if (allowed.has(path) || path === loader) return undefined
  if ((stats.mode & 0o111) !== 0) return 'is executable and not on the list'
  const start = await firstBytes(join(root, path))
  if (start.startsWith('#!')) return 'is a script'
  if (start === '\x7fELF' && !libraries.has(path)) return 'is a library or program that nothing listed loads'
  return undefined
}

async function firstBytes(path: string): Promise<string> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
  return buffer.subarray(0, bytesRead).toString('latin1')
}

async function testCode(root: string, contract: Contract): Promise<string[]> {
  const path = 'usr/lib/orama/agent.snapshot'
  const has = (await readFile(join(root, path)).catch(() => Buffer.alloc(0))).includes(testMarker)
  if (has && !contract.test)
    return [`${path}: has the code for fault injection, which only TEST=1 images may have`]
  return []
}
