import { lstat, readlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { hashFile } from '../../../image/cache.ts'
import { tool } from '../../../image/step.ts'
import { walk } from '../../../image/walk.ts'
import { makeRawCopy } from '../../../qemu/disk.ts'
import { partitionOf } from './raw-disk.ts'

/** Takes the root file system of slot A out of an image, into a folder of its own below `folder`; returns its path. */
export async function unpackRoot(image: string, folder: string, name: string): Promise<string> {
  const disk = await makeRawCopy({ file: image, format: 'qcow2' }, join(folder, `${name}.img`))
  const { offset } = await partitionOf(disk, 'rootfs-A')
  const tree = join(folder, name)
  const flags = ['-no-progress', '-no-xattrs', '-offset', String(offset), '-dest', tree]
  await tool('unsquashfs', [...flags, disk.file])
  return tree
}

/**
 * The paths in which two trees differ, by kind, mode, owner, link target or content; of a folder that only one of them
 * has the folder alone.
 */
export async function differences(one: string, other: string): Promise<string[]> {
  const [a, b] = [await describeTree(one), await describeTree(other)]
  const paths = [...new Set([...a.keys(), ...b.keys()])].sort()
  const differing = paths.filter(path => a.get(path) !== b.get(path))
  const missing = differing.filter(path => a.get(path) === undefined || b.get(path) === undefined)
  return differing.filter(path => !missing.some(above => path.startsWith(`${above}/`)))
}

async function describeTree(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const entry of await walk(root)) {
    const path = join(entry.parentPath, entry.name)
    const { mode, uid, gid } = await lstat(path)
    const content = entry.isSymbolicLink() ? await readlink(path) : entry.isFile() ? await hashFile(path) : ''
    found.set(relative(root, path), `${mode.toString(8)} ${uid} ${gid} ${content}`)
  }
  return found
}
