import { join } from 'node:path'
import { openDisk } from '../agent/disk/disk.ts'
import { sectorBytes } from '../agent/disk/gpt.ts'
import { readTable } from '../agent/disk/table.ts'
import { artefactName, type Release, thisRelease } from '../image/release.ts'
import { tool } from '../image/step.ts'

/** Reads the size table beside an image (`uki  5.51 MiB`): a function from a part's name to its MiB. */
export function readSizes(text: string): (part: string) => number {
  const rows = [...text.matchAll(/^(\S+)\s+(\d+\.\d+) MiB$/gm)].map(row => [row[1], Number(row[2])] as const)
  const sizes = new Map(rows)
  return part => {
    const size = sizes.get(part)
    if (size === undefined) throw new SyntaxError(`Cannot find '${part}' in the size table`)
    return size
  }
}

/** Where slot A begins in a disk image, in bytes. */
export async function slotOffset(image: string): Promise<number> {
  await using disk = await openDisk(image, 'r')
  const { table } = await readTable(disk)
  const slot = table.partitions.find(partition => partition?.label === 'rootfs-A')
  if (slot === undefined) throw new Error(`Cannot find slot A in '${image}'`)
  return slot.firstLba * sectorBytes
}

/** Unpacks the root file system of a disk image into a folder that is not there yet. */
export async function unpackRoot(image: string, tree: string): Promise<void> {
  const offset = String(await slotOffset(image))
  await tool('unsquashfs', ['-no-progress', '-no-xattrs', '-offset', offset, '-dest', tree, image])
}

/** The image of this checkout in dist/: its path without the ending. */
export async function builtStem(): Promise<{ readonly stem: string; readonly release: Release }> {
  const release = await thisRelease(process.env)
  return { release, stem: join(import.meta.dirname, '../dist', artefactName(release)) }
}
