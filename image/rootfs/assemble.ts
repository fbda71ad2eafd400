import { chmod, copyFile, cp, lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { tool } from '../step.ts'
import { walk } from '../walk.ts'
import { executables, libraryFolder, loader, openedLibraries, runtime } from './contents.ts'
import { findLibrary, libraryClosure } from './libraries.ts'

export type ServiceFiles = {
  readonly name: string
  readonly uid: number
  /** Name → content of what the agent reads: service.json and the templates beside it. */
  readonly files: Readonly<Record<string, string>>
  /** Programs that go to /usr/bin. */
  readonly programs: readonly string[]
}

export type TreeInputs = {
  readonly nodeBinary: string
  /** Folder with the agent's snapshot: what becomes of /usr/lib/orama. */
  readonly agent: string
  readonly osRelease: string
  readonly settings: string
  readonly services: readonly ServiceFiles[]
}

/** Makes the root file system's tree in an empty folder, from the files of a base and our own. */
export async function assembleTree(root: string, base: string, inputs: TreeInputs): Promise<void> {
  await makeFolders(root)
  const programs = await copyPrograms(root, base, inputs)
  await copyLibraries(root, base, programs)
  await writeOwnFiles(root, inputs)
  await normalizeModes(root)
}

const folders = [
  'boot dev etc/orama opt/orama/.orama proc run sys tmp var',
  `usr/bin usr/lib/orama/services ${libraryFolder}`,
]
  .join(' ')
  .split(' ')

/** Old names of merged folders, and the one file below /etc that changes while the node runs. */
const links = {
  bin: 'usr/bin',
  sbin: 'usr/bin',
  lib: 'usr/lib',
  lib64: 'usr/lib',
  'usr/lib64': 'lib',
  'usr/sbin': 'bin',
  'etc/resolv.conf': '/run/resolv.conf',
}

async function makeFolders(root: string): Promise<void> {
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true })
  for (const [name, target] of Object.entries(links)) await symlink(target, join(root, name))
}

async function copyPrograms(root: string, base: string, inputs: TreeInputs): Promise<string[]> {
  const bin = join(root, 'usr/bin')
  for (const [name, { path }] of Object.entries(executables))
    await copyFile(join(base, path), join(bin, name))
  await tool('strip', ['--strip-all', '-o', join(bin, runtime), inputs.nodeBinary])
  for (const service of inputs.services)
    for (const program of service.programs) await copyFile(program, join(bin, basename(program)))
  return (await readdir(bin)).map(name => join(bin, name))
}

async function copyLibraries(root: string, base: string, programs: readonly string[]): Promise<void> {
  const wanted = await libraryClosure(programs, base)
  for (const soname of Object.keys(openedLibraries)) {
    const path = await findLibrary(soname, base)
    if (path === undefined) throw new Error(`Cannot find '${soname}' in the base`)
    wanted.set(soname, path)
  }
  for (const [soname, path] of wanted) await copyFile(path, join(root, libraryFolder, soname))
  const interpreter = await findLibrary(basename(loader), base)
  if (interpreter === undefined) throw new Error(`Cannot find '${basename(loader)}' in the base`)
  await copyFile(interpreter, join(root, loader))
}

async function writeOwnFiles(root: string, inputs: TreeInputs): Promise<void> {
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  await cp(inputs.agent, join(root, 'usr/lib/orama'), { recursive: true })
  await put('etc/os-release', inputs.osRelease)
  await put('etc/orama/image.json', inputs.settings)
  const users = [{ name: 'root', uid: 0 }, ...inputs.services]
  await put(
    'etc/passwd',
    users.map(u => `${u.name}:x:${u.uid}:${u.uid}::/nonexistent:/nonexistent\n`).join(''),
  )
  await put('etc/group', users.map(u => `${u.name}:x:${u.uid}:\n`).join(''))
  await put('etc/hosts', '127.0.0.1 localhost\n')
  await put('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n')
  for (const service of inputs.services)
    for (const [file, text] of Object.entries(service.files))
      await put(`usr/lib/orama/services/${service.name}/${file}`, text)
}

/** One mode for each kind of file, whatever umask and packages say. */
async function normalizeModes(root: string): Promise<void> {
  await chmod(root, 0o755)
  for (const entry of await walk(root)) {
    const path = join(entry.parentPath, entry.name)
    if ((await lstat(path)).isSymbolicLink()) continue
    const runs = path.startsWith(join(root, 'usr/bin/')) || path === join(root, loader)
    await chmod(path, entry.isDirectory() || runs ? 0o755 : 0o644)
  }
}
