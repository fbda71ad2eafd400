import t from 'tap'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openDisk } from '../../../agent/disk/disk.ts'
import { growLast, readTable, repairTable } from '../../../agent/disk/table.ts'
import {
  applied,
  diskSectors,
  imageSectors,
  recordingDisk,
  sampleImage,
  type Write,
} from './table-samples.ts'

const grownLast = diskSectors - 2048 - 1

async function slotsOf(image: Buffer): Promise<readonly (string | undefined)[]> {
  const { table } = await readTable(recordingDisk(image).disk)
  return table.partitions.map(partition => partition && `${partition.label}@${partition.firstLba}`)
}

const slots = ['esp@2048', 'rootfs-A@4096', 'rootfs-B@6144', 'data@8192']

t.test('growLast() moves the backup to the end and fills the disk, both copies good', async t => {
  const image = sampleImage(diskSectors)
  const { disk, resized } = recordingDisk(image)
  await growLast(disk)
  const found = await readTable(disk)
  t.match(found, { primary: 'good', backup: 'good' })
  t.equal(found.table.partitions[3]?.lastLba, grownLast)
  t.same(resized, [{ number: 4, firstLba: 8192, lastLba: grownLast }])
})

t.test('growLast() writes nothing the second time, but tells the kernel again', async t => {
  const image = sampleImage(diskSectors)
  await growLast(recordingDisk(image).disk)
  const again = recordingDisk(image)
  await growLast(again.disk)
  t.same(again.epochs, [[]])
  t.equal(again.resized.length, 1)
})

t.test('growLast() writes the backup copy, syncs, then the primary copy', async t => {
  const { disk, epochs } = recordingDisk(sampleImage(diskSectors))
  await growLast(disk)
  const [backup = [], primary = []] = epochs
  t.same([backup[0]?.lba, backup.at(-1)?.lba], [diskSectors - 33, diskSectors - 1])
  t.same([primary[0]?.lba, primary.at(-1)?.lba], [0, 33])
})

/** Every prefix of the writes; and per sync also everything but one sector, as a disk may reorder. */
function tornWrites(epochs: readonly Write[][]): Write[][] {
  const all = epochs.flat()
  const prefixes = all.map((_, index) => all.slice(0, index))
  const holes = epochs.flatMap((epoch, index) => {
    const before = epochs.slice(0, index).flat()
    return epoch.map((_, hole) => [...before, ...epoch.filter((__, at) => at !== hole)])
  })
  return [...prefixes, ...holes]
}

const damagedBackup = sampleImage(diskSectors).fill(7, (imageSectors - 10) * 512, imageSectors * 512)
// Begun to grow earlier: the backup is at the end already, and the primary was torn.
const damagedPrimary = sampleImage(diskSectors, diskSectors).fill(7, 512, 1024)

const beginnings = [
  ['a fresh image', sampleImage(diskSectors)],
  ['an image whose backup copy is damaged', damagedBackup],
  ['a disk whose primary copy is damaged', damagedPrimary],
] as const

for (const [what, image] of beginnings)
  t.test(
    `a power cut at any sector while ${what} grows leaves both slots, and the next start finishes`,
    async t => {
      const { disk, epochs } = recordingDisk(Buffer.from(image))
      await growLast(disk)
      const torn = tornWrites(epochs)
      t.ok(torn.length > 100)
      for (const writes of torn) {
        const after = applied(image, writes)
        t.same(await slotsOf(after), slots)
        await growLast(recordingDisk(after).disk)
        t.match(await readTable(recordingDisk(after).disk), { primary: 'good', backup: 'good' })
      }
    },
  )

const primaryHeader = 512
const primaryEntries = 1024
const backupEntries = (imageSectors - 33) * 512
const backupHeader = (imageSectors - 1) * 512

const damages = [
  ['primary header', primaryHeader, { primary: { bad: 'no GPT signature' }, backup: 'good' }],
  ['primary entries', primaryEntries, { primary: { bad: 'bad checksum of the entries' }, backup: 'good' }],
  ['backup entries', backupEntries, { primary: 'good', backup: { bad: 'bad checksum of the entries' } }],
  ['backup header', backupHeader, { primary: 'good', backup: { bad: 'no GPT signature' } }],
] as const

for (const [what, at, expected] of damages)
  t.test(`repairTable() repairs a damaged ${what}, through every torn write`, async t => {
    const whole = sampleImage(imageSectors)
    const image = Buffer.from(whole).fill(0, at, at + 512)
    t.match(await readTable(recordingDisk(image).disk), expected)
    const { disk, epochs } = recordingDisk(Buffer.from(image))
    await repairTable(disk)
    t.ok(applied(image, epochs.flat()).equals(whole), 'as it was before the damage')
    for (const writes of tornWrites(epochs)) t.same(await slotsOf(applied(image, writes)), slots)
  })

t.test('readTable() says what is wrong with both copies when neither is good', async t => {
  const image = sampleImage(imageSectors)
    .fill(0, 512, 1024)
    .fill(0, backupEntries, backupEntries + 512)
  const message =
    'Cannot read partition table: primary: no GPT signature; backup: bad checksum of the entries'
  await t.rejects(readTable(recordingDisk(image).disk), { message })
})

t.test('readTable() refuses a disk that is smaller than a table', async t => {
  await t.rejects(readTable(recordingDisk(Buffer.alloc(60 * 512)).disk), { message: /too small/ })
})

t.test('growLast() works on a file, and for good', async t => {
  const path = join(t.testdir(), 'disk.img')
  await writeFile(path, sampleImage(imageSectors))
  await truncate(path, diskSectors * 512)
  {
    await using disk = await openDisk(path, 'r+')
    await growLast(disk)
  }
  await using again = await openDisk(path, 'r')
  t.equal((await readTable(again)).table.partitions[3]?.lastLba, grownLast)
})
