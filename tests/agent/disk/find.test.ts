import t from 'tap'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { findBootDisk, nameDevices } from '../../../agent/disk/find.ts'
import { imageSectors, sampleLayout } from './table-samples.ts'

/** A tree as the kernel shows it: real folders below devices/, links in class/block and block. */
async function fakeSysfs(
  root: string,
  disk: { name: string; partitions: string[]; slaves: string[] },
): Promise<string> {
  const folder = join(root, 'devices/pci0000:00/0000:00:02.0', disk.name)
  for (const [index, name] of disk.partitions.entries()) {
    await put(join(folder, name, 'partition'), `${index + 1}\n`)
    await link(join(folder, name), join(root, 'class/block', name))
  }
  await mkdir(join(folder, 'queue'), { recursive: true })
  await link(folder, join(root, 'class/block', disk.name))
  await mkdir(join(root, 'block/dm-0/slaves'), { recursive: true })
  for (const slave of disk.slaves)
    await link(join(root, 'class/block', slave), join(root, 'block/dm-0/slaves', slave))
  return root
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await symlink(target, path)
}

const numbered = (prefix: string) => [1, 2, 3, 4].map(number => `${prefix}${number}`)
const table = sampleLayout(imageSectors)

const disks = [
  ['virtio', 'vda', 'vda', 'vda2', 'A'],
  ['SCSI or SATA', 'sdb', 'sdb', 'sdb3', 'B'],
  ['NVMe', 'nvme0n1', 'nvme0n1p', 'nvme0n1p3', 'B'],
  ['eMMC', 'mmcblk0', 'mmcblk0p', 'mmcblk0p2', 'A'],
] as const

for (const [what, name, prefix, root, slot] of disks)
  t.test(`findBootDisk() and nameDevices() find ${what} disks`, async t => {
    const sysfs = await fakeSysfs(t.testdir(), { name, partitions: numbered(prefix), slaves: [root] })
    t.same(nameDevices(await findBootDisk(sysfs), table), {
      disk: `/dev/${name}`,
      esp: `/dev/${prefix}1`,
      slots: { A: `/dev/${prefix}2`, B: `/dev/${prefix}3` },
      data: `/dev/${prefix}4`,
      slot,
    })
  })

const lost = [
  ['dm-0 lies on two partitions', ['vda2', 'vda3'], /lies on 2 devices/],
  ['dm-0 lies on nothing', [], /lies on 0 devices/],
  ['dm-0 lies on a whole disk', ['vda'], /'vda' is not a partition/],
] as const

for (const [why, slaves, message] of lost)
  t.test(`findBootDisk() refuses: ${why}`, async t => {
    const sysfs = await fakeSysfs(t.testdir(), {
      name: 'vda',
      partitions: numbered('vda'),
      slaves: [...slaves],
    })
    await t.rejects(findBootDisk(sysfs), { message })
  })

const boot = {
  disk: 'vda',
  rootNumber: 2,
  partitions: new Map([1, 2, 3, 4].map(number => [number, `vda${number}`])),
}
const [esp, slotA, slotB, data] = table.partitions

const refused = [
  ['the root runs from the data partition', { ...boot, rootNumber: 4 }, table, /no slot/],
  [
    'labels of slots exchanged',
    boot,
    { ...table, partitions: [esp, slotB, slotA, data] },
    /partition 2 is 'rootfs-B'/,
  ],
  [
    'partition 4 is something else',
    boot,
    { ...table, partitions: [esp, slotA, slotB, esp] },
    /partition 4 is 'esp'/,
  ],
  ['a fifth partition', boot, { ...table, partitions: [esp, slotA, slotB, data, esp] }, /5 partitions/],
  ['an empty table', boot, { ...table, partitions: [] }, /0 partitions/],
  [
    'a kernel without partition 4',
    {
      ...boot,
      partitions: new Map([
        [1, 'vda1'],
        [2, 'vda2'],
        [3, 'vda3'],
      ]),
    },
    table,
    /no partition 4/,
  ],
] as const

for (const [why, from, bad, message] of refused)
  t.throws(() => nameDevices(from, bad), { message }, `nameDevices() refuses: ${why}`)
