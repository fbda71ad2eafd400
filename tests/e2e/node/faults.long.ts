import { join } from 'node:path'
import t from 'tap'
import { phases } from '../../../agent/node/phases.ts'
import { within } from '../../../qemu/deadline.ts'
import type { MachineOptions } from '../../../qemu/options.ts'
import { espFiles } from '../support/esp-files.ts'
import { testImage } from '../support/image.ts'
import { bootMs, connect, enroll, makeSite, must, type Site } from '../support/node.ts'
import { attempt } from '../support/probe.ts'
import { rawDisk } from '../support/raw-disk.ts'
import { readStatus } from '../support/status.ts'

// What fails is read from sysfs, which the first phase mounts.
const names = phases.map(({ name }) => name).slice(1)
const guarded = names.slice(names.indexOf('watchdog') + 1)
// The watchdog ends a hang within 30 s; the machine may be slow.
const hangMs = 120_000
// Once in some dozens of boots the firmware tidies its variables up, which emulated takes minutes.
const firstLineMs = 3 * bootMs

// Each phase fails once, all on one disk, so that its only version is tried far more often than three times.
t.test('a fault in any phase of the boot', async t => {
  const image = await testImage('faults')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image)
  // It ends with its reset: firmware that is stopped while it tidies its variables up begins that anew.
  const boot = (fault: string) =>
    site.boot({
      ...{ disk, noReboot: true },
      name: fault.replace('@', '-in-'),
      fwCfg: { 'opt/orama/fault': fault },
    })

  for (const name of names)
    await t.test(`the agent ends before ${name}: the kernel panics, and the machine resets`, async t => {
      await using machine = await boot(`exit@${name}`)
      await machine.console.waitFor('Kernel panic - not syncing: Attempted to kill init!', firstLineMs)
      await within(machine.exited, bootMs, 'the machine to reset')
      t.ok(machine.events().some(({ data }) => data['reason'] === 'guest-reset'))
      t.notMatch(machine.console.text(), 'STATE')
    })

  for (const name of guarded)
    await t.test(`the agent hangs before ${name}: the watchdog resets the machine`, async t => {
      await using machine = await boot(`hang@${name}`)
      await machine.console.waitFor(`fault: hang@${name}`, firstLineMs)
      await within(machine.exited, hangMs, 'the machine to reset')
      t.ok(machine.events().some(({ event }) => event === 'WATCHDOG'))
      t.notMatch(machine.console.text(), 'STATE')
    })

  await t.test('then, without a fault, it comes up and has its three tries back', async t => {
    const esp = await espFiles(disk)
    t.match((await esp.list('EFI/Linux')).join(), /^os-a\+0-1\d\.efi$/)
    await using machine = await site.boot({ disk, name: 'good' })
    await machine.console.waitFor('STATE blank\n', firstLineMs)
    await machine.console.waitFor(/boot entry: .* os-a\+3-0\.efi/, bootMs)
    await machine.stop()
    t.same(await esp.list('EFI/Linux'), ['os-a+3-0.efi'])
  })

  const enrolled = await site.boot({ disk, name: 'enrolled' })
  let peer = await enroll(site, enrolled)
  await enrolled.console.waitFor('STATE ready\n', bootMs)

  await t.test('of a log that is written without end the newest files are kept', async t => {
    t.equal(await attempt(site, 'flood', floodS, longLineBytes), 'done')
    const lines = await untilRotated(site)
    t.ok(lines.length < linesAsked, `${lines.length} lines`)
  })
  await enrolled.stop()

  /** Boots it once more; what does its status say, locked as it is? */
  const statusOf = async (options: Partial<MachineOptions>) => {
    await using machine = await site.boot({ disk, ...options })
    await machine.console.waitFor('STATE locked\n', firstLineMs)
    // The node has forgotten its sessions; the old peer would find that out only after 15 s.
    await peer[Symbol.asyncDispose]()
    peer = await connect(site)
    return await readStatus(site)
  }

  await t.test('the status of an enrolled node tells the panic before its boot, once', async t => {
    await using dies = await boot('exit@operator')
    await dies.console.waitFor('Kernel panic - not syncing: Attempted to kill init!', firstLineMs)
    // The kernel prints it first, and stores it then.
    await within(dies.exited, bootMs, 'the machine to reset')
    const { lastPanic } = await statusOf({ name: 'told' })
    t.match(lastPanic, /^<0>\[ *[0-9.]+\] Kernel panic - not syncing: Attempted to kill init!/)
    t.equal((await statusOf({ name: 'forgotten' })).lastPanic, undefined)
  })

  await t.test('a machine without keys of ours and without a watchdog of its own says so', async t => {
    const esp = await espFiles(disk)
    for (const name of await esp.list(keyFiles)) await esp.remove(`${keyFiles}/${name}`)
    const varsFile = join(site.folder, 'setup-mode.vars.fd')
    const status = await statusOf({ name: 'plain', varsFile, watchdog: false })
    t.match(status, { secureBoot: false, watchdog: 'soft', state: 'locked' })
  })
})

// With these systemd-boot would enroll our keys where there are none yet.
const keyFiles = 'loader/keys/auto'

// Of 8 KB lines the four files of a log hold far fewer than can be asked for; so many seconds fill them twice.
const longLineBytes = 8000
const floodS = 40
const linesAsked = 1000

/** Asks for the log of the probe until the line that was its first has gone; returns what is kept. */
async function untilRotated(site: Site): Promise<readonly string[]> {
  const which = ['--service', 'probe', '--lines', String(linesAsked)]
  let first = ''
  for (const endMs = performance.now() + bootMs; ;) {
    const log = must(await site.orama('node', 'logs', '--node-ip', '10.0.0.1', ...which))
    const lines = log.trimEnd().split('\n')
    if (first !== '' && lines[0] !== first) return lines
    first = lines[0] ?? ''
    if (performance.now() > endMs)
      throw new Error(`Cannot wait for a rotation any longer: ${lines.length} lines, the first is '${first}'`)
  }
}
