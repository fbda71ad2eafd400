import { stat } from 'node:fs/promises'
import t from 'tap'
import { backupSectors, sectorBytes } from '../../../agent/disk/gpt.ts'
import type { Disk } from '../../../qemu/disk.ts'
import { developmentKeys } from '../../../signing/secure-boot.ts'
import { testImage } from '../support/image.ts'
import { bootMs, makeSite } from '../support/node.ts'
import { zeroWhileRunning } from '../support/overwrite.ts'
import { flipBytes, partitionOf, rawDisk, readAt, tableOf, writeAt } from '../support/raw-disk.ts'
import {
  fetchUki,
  replaceUki,
  signedBy,
  strangersKeys,
  withCommandLine,
  withoutSignature,
} from '../support/uki.ts'

// Somebody has the disk in his hands, and changes what is on it between two boots.
t.test('a changed disk', async t => {
  const image = await testImage('ordinary')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image, { size: 'image' })
  let boots = 0
  const boot = () => site.boot({ disk, name: `boot-${++boots}` })
  const uki = await fetchUki(disk, site.folder)

  for (const [what, offsets] of Object.entries(await hotPlaces(disk)))
    await t.test(`${what} changed: the kernel panics, the agent never runs`, async t => {
      await flipBytes(disk, offsets)
      await using machine = await boot()
      await machine.console.waitFor('Kernel panic - not syncing: dm-verity device corrupted', bootMs)
      await machine.stop()
      t.match(machine.console.text(), /device-mapper: verity: .* is corrupted/)
      t.notMatch(machine.console.text(), /STATE|phase /)
      await flipBytes(disk, offsets)
    })

  const strangers = await strangersKeys(site.folder)
  const refused = {
    'an edited command line': await withCommandLine(uki, 'panic=5', 'panic=6'),
    'no signature': await withoutSignature(uki),
    "a stranger's signature": await signedBy(strangers, uki),
  }
  for (const [what, file] of Object.entries(refused))
    await t.test(`a UKI with ${what}: the firmware does not start it`, async t => {
      await replaceUki(disk, file)
      await using machine = await boot()
      await machine.console.waitFor(/Access denied|Security violation/i, bootMs)
      await machine.stop()
      t.notMatch(machine.console.text(), /EFI stub|Linux version|STATE/)
    })

  // Taken apart and signed again by ourselves it starts, so that what was refused above was the change.
  await replaceUki(disk, await signedBy(await developmentKeys(), uki))
  const copyBytes = backupSectors * sectorBytes
  const { size } = await stat(disk.file)
  const copies = { primary: sectorBytes, backup: size - copyBytes }

  // OVMF mends what it finds torn. So the same copy is torn once more after it has looked: kernel and agent, too,
  // have to do with the other one.
  for (const [copy, offset] of Object.entries(copies))
    await t.test(`no ${copy} partition table: it boots, and the agent mends it`, async t => {
      const whole = await tableOf(disk)
      t.match(whole, { primary: 'good', backup: 'good' })
      await writeAt(disk, offset, Buffer.alloc(copyBytes))
      t.match(await tableOf(disk), { [copy]: { bad: 'no GPT signature' } })
      await using machine = await boot()
      await machine.console.waitFor('EFI stub: UEFI Secure Boot is enabled', bootMs)
      await zeroWhileRunning(machine, { offset, bytes: copyBytes })
      await machine.console.waitFor(`the ${copy} copy was bad (no GPT signature): repaired`, bootMs)
      await machine.console.waitFor('STATE blank\n', bootMs)
      await machine.stop()
      t.same(await tableOf(disk), whole)
    })
})

const fileStep = 256 * 1024

/**
 * Bytes of slot A that every boot reads, by the SquashFS superblock (version 4.0: bytes_used at 40, root inode
 * at 32, inode table at 64) and the place of the verity tree behind it, whose second block is its top.
 */
async function hotPlaces(disk: Disk): Promise<Readonly<Record<string, readonly number[]>>> {
  const { offset } = await partitionOf(disk, 'rootfs-A')
  const superblock = await readAt(disk, { offset, bytes: 96 })
  const field = (at: number) => Number(superblock.readBigUInt64LE(at))
  const [used, inodes] = [field(40), field(64)]
  const rootInode = offset + inodes + Math.floor(field(32) / 65_536)
  const treeTop = offset + Math.ceil(used / 4096) * 4096 + 4096
  const files = Array.from({ length: Math.floor(inodes / fileStep) }, (_, n) => offset + (n + 1) * fileStep)
  return {
    'one byte of the root folder': [rootInode + 8],
    'one byte of the top of the hash tree': [treeTop],
    'a byte in every 256 KiB of the files': files,
  }
}
