import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { openApt } from '../../image/debian/apt.ts'
import { download } from '../../image/debian/packages.ts'
import { buildKernel } from '../../image/kernel/build.ts'
import { logWrites, makeEmptyDisk } from '../../qemu/disk.ts'
import { startMachine } from '../../qemu/machine.ts'
import { openTpm } from '../../qemu/tpm.ts'
import { openWriteLog } from '../../qemu/write-log.ts'
import { keepOnFailure } from '../e2e/support/keep.ts'
import { testFolder } from '../e2e/support/folder.ts'

// The image's own kernel without a root disk: it panics, which is the word that is waited for.
const [source] = await download(await openApt(), ['linux-source-6.12'])
if (source === undefined) throw new Error('Cannot find linux-source-6.12 in the package index')
const { bzImage } = await buildKernel(source)
const kernel = (panic: number) => ({ image: bzImage, commandLine: `console=ttyS0 panic=${panic}` })
const panicked = 'Kernel panic - not syncing: VFS'
// For the runner; each wait has a shorter deadline of its own.
t.setTimeout(600_000)

t.test('a machine with TPM and disk boots a kernel, resets, and is counted', async t => {
  const folder = await testFolder(t)
  const tpm = await openTpm(join(folder, 'tpm'))
  const disk = await logWrites(
    await makeEmptyDisk(join(folder, 'disk.raw'), 64 * 2 ** 20),
    join(folder, 'log'),
  )
  await using machine = await startMachine({ folder, disk, tpm, kernel: kernel(0), memoryMib: 512 })
  keepOnFailure(t, machine)
  await machine.console.waitFor(panicked, 120_000)
  t.match(machine.console.text(), /tpm_crb|MSFT0101|TPM/i, 'the kernel sees a TPM')
  t.equal(await machine.monitor.status(), 'running')

  await machine.reset()
  t.equal(machine.console.boots(), 2)
  await machine.console.waitFor(panicked, 120_000)

  const core = join(folder, 'core')
  await machine.monitor.dumpMemory(core)
  t.ok((await readFile(core)).includes('Kernel panic'), 'the dump is the memory of this guest')

  t.same(await machine.stop(), { status: 0, signal: null })
  await t.rejects(machine.console.waitFor('STATE blank', 60_000), /ended .* before STATE blank/)
  const transcript = await readFile(machine.files.console, 'utf8')
  t.match(transcript, /--- boot 2: host-qmp-system-reset ---/)
  await using log = await openWriteLog(join(folder, 'log'))
  t.ok(log.count >= 0)
})

for (const diskBus of ['nvme', 'scsi', 'sata'] as const)
  t.test(`the kernel finds a disk on ${diskBus}, and its own reset is counted`, async t => {
    const folder = await testFolder(t)
    const disk = await makeEmptyDisk(join(folder, 'disk.raw'), 64 * 2 ** 20)
    await using machine = await startMachine({
      folder,
      disk,
      diskBus,
      kernel: kernel(1),
      secureBoot: false,
    })
    keepOnFailure(t, machine)
    await machine.console.waitFor(/(nvme0n1|sda)[^\n]*\n[^]*Kernel panic/, 120_000)
    await machine.console.waitForBoot(2, 60_000)
    t.equal(machine.events().findLast(({ event }) => event === 'RESET')?.data['guest'], true)
  })
