import { join } from 'node:path'
import t from 'tap'
import { readDataState } from '../../../agent/disk/blank.ts'
import { lastUsableLba, sectorBytes } from '../../../agent/disk/gpt.ts'
import type { DiskBus } from '../../../qemu/arguments.ts'
import { type Disk, makeOverlay, makeRawCopy } from '../../../qemu/disk.ts'
import { testImage } from '../support/image.ts'
import { bootMs, diskBytes, makeSite, readConsole, type Site } from '../support/node.ts'
import { partitionFile } from '../support/partition-file.ts'
import { partitionOf, tableOf } from '../support/raw-disk.ts'

type Row = { readonly bus: DiskBus; readonly device: string }

// The life test runs on virtio-blk; these are the other names and drivers under which a VPS shows its disk.
const rows: readonly Row[] = [
  { bus: 'nvme', device: '/dev/nvme0n1' },
  { bus: 'scsi', device: '/dev/sda' },
]

t.test('the same image on other disk buses', async t => {
  const image = await testImage('ordinary')
  const site = await makeSite(t, image)
  for (const row of rows)
    await t.test(`${row.bus}: waits for its owner, with the data partition grown to the end`, async t => {
      const disk = await bootOnce(site, image, row)
      const raw = await makeRawCopy(disk, join(site.folder, `${row.bus}.img`))
      const { primary, backup } = await tableOf(raw)
      t.same({ primary, backup }, { primary: 'good', backup: 'good' })
      const data = await partitionOf(raw, 'data')
      const unusedBytes = diskBytes - data.offset - data.bytes
      t.ok(unusedBytes < 2 * mib && unusedBytes >= endBytes, `${unusedBytes} bytes behind it`)
      const partition = await partitionFile(raw, join(site.folder, `${row.bus}.data`))
      t.same(await readDataState(partition.file), { kind: 'blank' })
    })
})

const mib = 1024 * 1024
const endBytes = diskBytes - (lastUsableLba(diskBytes / sectorBytes) + 1) * sectorBytes

/** A machine of another layout has variables of its own: OVMF remembers its boot entries by PCI address. */
async function bootOnce(site: Site, image: string, { bus, device }: Row): Promise<Disk> {
  const overlay = join(site.folder, `${bus}.qcow2`)
  const disk = await makeOverlay({ file: image, format: 'qcow2' }, overlay, diskBytes)
  const varsFile = join(site.folder, `${bus}.vars.fd`)
  const machine = await site.boot({ name: bus, disk, diskBus: bus, varsFile })
  await machine.console.waitFor('EFI stub: UEFI Secure Boot is enabled', bootMs)
  await readConsole(machine)
  const { groups } = await machine.console.waitFor(/disk: (\S+), slot A, data: blank, (\d+) MiB\n/, 1000)
  await machine.stop()
  const [name, sizeMib] = groups
  if (name !== device || Number(sizeMib) < grownMib)
    throw new Error(`The agent uses '${name ?? ''}' with ${sizeMib ?? ''} MiB for data`)
  return disk
}

// What the image leaves for data is 128 MiB; the kernel has to know of the rest as well.
const grownMib = diskBytes / mib - 128 - 2 * 1024 - 4
