import { createHash } from 'node:crypto'
import { open, truncate, writeFile } from 'node:fs/promises'
import { makeGpt, partitionTypes } from '../agent/disk/gpt.ts'
import { espBytes } from './boot/esp.ts'
import type { Slot } from './rootfs/squashfs.ts'
import { tool } from './step.ts'

const mib = 1024 * 1024
const sectorBytes = 512

/** Sizes in MiB from the disk's start; the data partition is grown at first boot. */
const layout = {
  esp: { first: 1, size: espBytes / mib },
  'rootfs-A': { first: 129, size: 1024 },
  'rootfs-B': { first: 1153, size: 1024 },
  data: { first: 2177, size: 126 },
} as const

const diskMib = 2304

/** Writes the whole disk, sparse: GPT, ESP, slot A; slot B and data are empty. */
export async function makeDisk(esp: string, slot: Slot, file: string): Promise<void> {
  if (slot.bytes > layout['rootfs-A'].size * mib)
    throw new RangeError(
      `Cannot make the disk: the root file system has ${slot.bytes} bytes, a slot holds 1 GiB`,
    )
  await writeFile(file, '')
  await truncate(file, diskMib * mib)
  await writeAt(esp, file, layout.esp.first)
  await writeAt(slot.file, file, layout['rootfs-A'].first)
  await writeTable(slot, file)
}

async function writeTable(slot: Slot, file: string): Promise<void> {
  const lba = (atMib: number) => (atMib * mib) / sectorBytes
  const partition = (label: keyof typeof layout, type: string, guid: string) => {
    const { first, size } = layout[label]
    return { label, type, guid, firstLba: lba(first), lastLba: lba(first + size) - 1 }
  }
  const table = makeGpt({
    sectors: lba(diskMib),
    diskGuid: guidFrom(slot, 'disk'),
    partitions: [
      partition('esp', partitionTypes.esp, guidFrom(slot, 'esp')),
      partition('rootfs-A', partitionTypes.linux, slot.partUuid),
      partition('rootfs-B', partitionTypes.linux, guidFrom(slot, 'rootfs-B')),
      partition('data', partitionTypes.linux, guidFrom(slot, 'data')),
    ],
  })
  await using handle = await open(file, 'r+')
  await handle.write(table.primary, 0, table.primary.length, 0)
  await handle.write(table.backup, 0, table.backup.length, table.backupLba * sectorBytes)
}

/** Identifiers that are the same in every build of the same image. */
function guidFrom(slot: Slot, what: string): string {
  const h = createHash('sha256').update(`${slot.rootHash}:${what}`).digest('hex')
  return [h.slice(0, 8), h.slice(8, 12), `4${h.slice(13, 16)}`, `8${h.slice(17, 20)}`, h.slice(20, 32)].join(
    '-',
  )
}

async function writeAt(source: string, target: string, atMib: number): Promise<void> {
  const flags = ['conv=notrunc,sparse', 'bs=1M', `seek=${atMib}`, 'status=none']
  await tool('dd', [`if=${source}`, `of=${target}`, ...flags])
}

/** The same disk as a compressed qcow2. */
export async function makeQcow2(raw: string, file: string): Promise<void> {
  await tool('qemu-img', [
    'convert',
    '-f',
    'raw',
    '-O',
    'qcow2',
    '-c',
    '-o',
    'compression_type=zstd',
    raw,
    file,
  ])
}
