import { openDisk } from '../agent/disk/disk.ts'
import { sectorBytes } from '../agent/disk/gpt.ts'
import { readTable } from '../agent/disk/table.ts'

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
