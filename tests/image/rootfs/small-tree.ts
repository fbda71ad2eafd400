import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  executables,
  libraryFolder,
  loader,
  openedLibraries,
  runtime,
} from '../../../image/rootfs/contents.ts'
import { findLibrary } from '../../../image/rootfs/libraries.ts'

/** A small dynamic program of the host that needs nothing but libc. */
export const program = '/usr/bin/true'

/** A text, or a copy of a file of the host; 0644 unless told otherwise. */
export type Content = ({ readonly text: string } | { readonly from: string }) & { readonly mode?: number }

/** Puts a file into a tree, folders included. */
export async function put(root: string, path: string, content: Content): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  if ('text' in content) await writeFile(join(root, path), content.text)
  else await copyFile(content.from, join(root, path))
  await chmod(join(root, path), content.mode ?? 0o644)
}

/** A library of the host by its soname: the path of the real file. */
export async function hostLibrary(soname: string): Promise<string> {
  const path = await findLibrary(soname, '/')
  if (path === undefined) throw new Error(`Cannot find '${soname}' on this host`)
  return path
}

/** The smallest tree that keeps the contract: real programs, their library and loader, our files. */
export async function makeSmallTree(root: string): Promise<void> {
  for (const name of [...Object.keys(executables), runtime])
    await put(root, `usr/bin/${name}`, { from: program, mode: 0o755 })
  for (const soname of ['libc.so.6', ...Object.keys(openedLibraries)])
    await put(root, `${libraryFolder}/${soname}`, { from: await hostLibrary(soname) })
  await put(root, loader, { from: `/lib64/${basename(loader)}`, mode: 0o755 })
  await symlink('lib', join(root, 'usr/lib64'))
  for (const path of ['etc/os-release', 'etc/orama/image.json', 'etc/passwd', 'usr/lib/orama/agent.snapshot'])
    await put(root, path, { text: 'text\n' })
}
