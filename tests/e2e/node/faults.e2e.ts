import { join } from 'node:path'
import t from 'tap'
import type { Program } from '../../../qemu/program.ts'
import { testImage } from '../support/image.ts'
import {
  bootMs,
  enrollment,
  makeSite,
  must,
  passphrase,
  readConsole,
  type Shown,
  type Site,
} from '../support/node.ts'
import { hashAt, partitionOf, rawDisk } from '../support/raw-disk.ts'

const fault = (what: string) => ({ 'opt/orama/fault': what })
// The watchdog ends a hang within 30 s; the machine may be slow.
const hangMs = 120_000

// Faults that only test images know; everything else in them is the ordinary image.
t.test('an agent that hangs, and an enrollment that is cut off', async t => {
  const image = await testImage('faults')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image)

  await t.test('a busy event loop is ended by the watchdog, which resets the machine', async t => {
    await using machine = await site.boot({ disk, name: 'hang', fwCfg: fault('hang@network') })
    await machine.console.waitFor('fault: hang@network', bootMs)
    await machine.console.waitForBoot(2, hangMs)
    t.match(
      machine.events().find(({ event }) => event === 'WATCHDOG'),
      { data: { action: 'reset' } },
    )
    await machine.stop()
    t.notMatch(machine.console.text(), 'Kernel panic')
  })

  await t.test('power is cut in an enrollment, before anything is written', async t => {
    await using machine = await site.boot({ disk, name: 'stop', fwCfg: fault('stop@commit') })
    const shown = await readConsole(machine)
    const data = await partitionOf(disk, 'data')
    const before = await hashAt(disk, data)
    must(await site.orama('wallet', 'new'))
    await using command = await startEnrolling(site, shown)
    await machine.console.waitFor('STATE enrolling\n', bootMs)
    await machine.console.waitFor('fault: stop@commit', bootMs)
    await machine.kill()
    await command.stop()
    t.equal(await hashAt(disk, data), before)
  })

  await t.test('the node is blank again, with a new code, and its owner enrolls it', async () => {
    await using machine = await site.boot({ disk, name: 'again' })
    must(await site.orama(...enrollment(site, await readConsole(machine))))
    await machine.console.waitFor('STATE ready\n', bootMs)
  })
})

/** Starts the command that enrolls, for an enrollment that will never be answered. */
async function startEnrolling(site: Site, shown: Shown): Promise<Program> {
  const program = join(import.meta.dirname, '../../../bin/orama')
  const own = ['--config', join(site.folder, 'operator'), '--passphrase-fd', '0']
  const command = await site.network.namespace.start(program, [...enrollment(site, shown), ...own])
  command.stdin.end(`${passphrase}\n`)
  return command
}
