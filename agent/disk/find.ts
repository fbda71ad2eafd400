import { readdir, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Table } from './gpt.ts'

export type Slot = 'A' | 'B'

export type BootDisk = {
  /** Kernel name of the whole disk, such as 'vda' or 'nvme0n1'. */
  readonly disk: string
  /** Number of the partition that the running root lies on. */
  readonly rootNumber: number
  /** Kernel names of the partitions by number, such as 4 → 'nvme0n1p4'. */
  readonly partitions: ReadonlyMap<number, string>
}

/**
 * Which disk the running root comes from: the one below dm-0. `sysfs` is '/sys'. Throws when dm-0 does not lie
 * on exactly one partition.
 */
export async function findBootDisk(sysfs: string): Promise<BootDisk> {
  const slaves = await readdir(join(sysfs, 'block/dm-0/slaves'))
  const [root] = slaves
  if (root === undefined || slaves.length !== 1)
    throw new Error(`Cannot find the boot disk: dm-0 lies on ${slaves.length} devices, expected one`)
  const rootFolder = await realpath(join(sysfs, 'class/block', root))
  const rootNumber = await partitionNumber(rootFolder)
  if (rootNumber === undefined) throw new Error(`Cannot find the boot disk: '${root}' is not a partition`)
  const folder = dirname(rootFolder)
  return { disk: basename(folder), rootNumber, partitions: await listPartitions(folder) }
}

async function listPartitions(folder: string): Promise<Map<number, string>> {
  const found = new Map<number, string>()
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const number = await partitionNumber(join(folder, entry.name))
    if (number !== undefined) found.set(number, entry.name)
  }
  return found
}

/** The number in the file 'partition', which only the folders of partitions have. */
async function partitionNumber(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'partition'), 'utf8').catch(() => '')
  return /^\d{1,3}\n?$/.test(text) ? Number(text) : undefined
}

/** Labels of an OramaOS disk by partition number. */
export const partitionLabels = { 1: 'esp', 2: 'rootfs-A', 3: 'rootfs-B', 4: 'data' } as const

export type NodeDisk = {
  /** Paths of devices. */
  readonly disk: string
  readonly esp: string
  readonly slots: Readonly<Record<Slot, string>>
  readonly data: string
  /** The slot that runs. */
  readonly slot: Slot
}

/**
 * The devices of an OramaOS disk by their labels in the table. Throws when the table is not that of an OramaOS
 * disk, or the root does not run from one of the slots: then nothing on it may be written.
 */
export function nameDevices(boot: BootDisk, table: Table): NodeDisk {
  if (table.partitions.length !== 4)
    throw new Error(`Cannot use disk '${boot.disk}': ${table.partitions.length} partitions, expected 4`)
  const slot = ({ 2: 'A', 3: 'B' } as const)[boot.rootNumber]
  if (slot === undefined)
    throw new Error(
      `Cannot use disk '${boot.disk}': the root runs from partition ${boot.rootNumber}, no slot`,
    )
  const device = (number: keyof typeof partitionLabels) => deviceOf(boot, table, number)
  return {
    disk: join('/dev', boot.disk),
    esp: device(1),
    slots: { A: device(2), B: device(3) },
    data: device(4),
    slot,
  }
}

function deviceOf(boot: BootDisk, table: Table, number: keyof typeof partitionLabels): string {
  const [label, expected] = [table.partitions[number - 1]?.label, partitionLabels[number]]
  if (label !== expected)
    throw new Error(
      `Cannot use disk '${boot.disk}': partition ${number} is '${label ?? ''}', not '${expected}'`,
    )
  const name = boot.partitions.get(number)
  if (name === undefined)
    throw new Error(`Cannot use disk '${boot.disk}': the kernel has no partition ${number}`)
  return join('/dev', name)
}
