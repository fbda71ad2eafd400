import t from 'tap'
import { phases } from '../../../agent/node/phases.ts'
import type { Disk } from '../../../qemu/disk.ts'
import { espFiles } from '../support/esp-files.ts'
import { testImage } from '../support/image.ts'
import { bootMs, connect, enroll, makeSite, type Site } from '../support/node.ts'
import { rawDisk } from '../support/raw-disk.ts'
import { readStatus } from '../support/status.ts'

// What fails is read from sysfs, which the first phase mounts.
const names = phases.map(({ name }) => name).slice(1)
const guarded = names.slice(names.indexOf('watchdog') + 1)
// The watchdog ends a hang within 30 s; the machine may be slow.
const hangMs = 120_000

// Each phase fails once, all on one disk, so that its only version is tried far more often than three times.
t.test('a fault in any phase of the boot', async t => {
  const image = await testImage('faults')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image)
  const boot = (fault: string) =>
    site.boot({ disk, name: fault.replace('@', '-in-'), fwCfg: { 'opt/orama/fault': fault } })

  for (const name of names)
    await t.test(`the agent ends before ${name}: the kernel panics, and the machine resets`, async t => {
      await using machine = await boot(`exit@${name}`)
      await machine.console.waitFor('Kernel panic - not syncing: Attempted to kill init!', bootMs)
      await machine.console.waitForBoot(2, bootMs)
      await machine.stop()
      t.notMatch(machine.console.text(), 'STATE')
    })

  for (const name of guarded)
    await t.test(`the agent hangs before ${name}: the watchdog resets the machine`, async t => {
      await using machine = await boot(`hang@${name}`)
      await machine.console.waitFor(`fault: hang@${name}`, bootMs)
      await machine.console.waitForBoot(2, hangMs)
      await machine.stop()
      t.ok(machine.events().some(({ event }) => event === 'WATCHDOG'))
      t.notMatch(machine.console.text(), 'STATE')
    })

  await t.test('then, without a fault, it comes up and has its three tries back', async t => {
    const esp = await espFiles(disk)
    t.match((await esp.list('EFI/Linux')).join(), /^os-a\+0-1\d\.efi$/)
    await using machine = await site.boot({ disk, name: 'good' })
    await machine.console.waitFor('STATE blank\n', bootMs)
    await machine.console.waitFor(/boot entry: .* os-a\+3-0\.efi/, bootMs)
    await machine.stop()
    t.same(await esp.list('EFI/Linux'), ['os-a+3-0.efi'])
  })

  await t.test('the status of an enrolled node tells the panic before its boot, once', async t => {
    await using enrolled = await site.boot({ disk, name: 'enrolled' })
    const peer = await enroll(site, enrolled)
    await enrolled.console.waitFor('STATE ready\n', bootMs)
    await enrolled.stop()
    await using dies = await boot('exit@operator')
    await dies.console.waitFor('Kernel panic - not syncing: Attempted to kill init!', bootMs)
    await dies.stop()
    // The node has forgotten its sessions; the old peer would find that out only after 15 s.
    await peer[Symbol.asyncDispose]()
    t.match(await lastPanicOf(site, disk), /^Kernel panic - not syncing: Attempted to kill init!/)
    t.equal(await lastPanicOf(site, disk), undefined)
  })
})

/** Boots the enrolled node, and asks what its status says of the panic before. */
async function lastPanicOf(site: Site, disk: Disk): Promise<string | undefined> {
  await using machine = await site.boot({ disk, name: 'told' })
  await machine.console.waitFor('STATE locked\n', bootMs)
  const peer = await connect(site)
  const { lastPanic } = await readStatus(site)
  await peer[Symbol.asyncDispose]()
  return lastPanic
}
