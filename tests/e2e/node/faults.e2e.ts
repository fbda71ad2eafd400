import t from 'tap'
import { ask, posted } from '../support/enrollment-port.ts'
import { testImage } from '../support/image.ts'
import { type Meddling, startMiddleman } from '../support/middleman.ts'
import { bootMs, enrollment, makeSite, must, readConsole, startOrama } from '../support/node.ts'
import { hashAt, partitionOf, rawDisk } from '../support/raw-disk.ts'

const fault = (what: string) => ({ 'opt/orama/fault': what })
// The watchdog ends a hang within 30 s; the machine may be slow.
const hangMs = 120_000
const minuteMs = 60_000

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

  let overheard: Buffer | undefined
  await t.test('power is cut in an enrollment, before anything is written', async t => {
    await using machine = await site.boot({ disk, name: 'stop', fwCfg: fault('stop@commit') })
    const shown = await readConsole(machine)
    const data = await partitionOf(disk, 'data')
    const before = await hashAt(disk, data)
    must(await site.orama('wallet', 'new'))
    await using between = new AsyncDisposableStack()
    between.use(await site.network.namespace.enter())
    const overhear: Meddling = ({ method, body }, forward) => {
      if (method === 'POST') overheard = body
      return forward()
    }
    between.use(await startMiddleman(site, overhear))
    await using command = await startOrama(site, ...enrollment(site, shown))
    await machine.console.waitFor('STATE enrolling\n', bootMs)
    await machine.console.waitFor('fault: stop@commit', bootMs)
    await machine.kill()
    await command.stop()
    t.equal(await hashAt(disk, data), before)
  })

  const machine = await site.boot({ disk, name: 'again', fwCfg: fault('hurry@clock') })
  const shown = await readConsole(machine)

  await t.test('firmware and loader have measured what they started into the TPM', async t => {
    for (const [pcr, what] of Object.entries({ 4: 'boot loader', 7: 'Secure Boot', 11: 'kernel image' }))
      t.match(machine.console.text(), new RegExp(`PCR ${pcr}: (?!0{64})[0-9A-F]{64}\\n`), what)
  })

  await t.test('what was overheard of an enrollment that was good is refused by the next', async t => {
    const refused = await ask(site, posted(overheard ?? ''))
    t.equal(refused.status, 403)
    t.match(refused.body, { error: 'another hello' })
  })

  await t.test('the node is blank again, with a new code, and its owner enrolls it', async () => {
    must(await site.orama(...enrollment(site, shown)))
    await machine.console.waitFor('STATE ready\n', bootMs)
  })

  await t.test('once enrolled its clock goes back by 4 minutes, but not by 10', async () => {
    const since = machine.console.text().length
    const waitFor = (pattern: RegExp) => machine.console.waitFor(pattern, bootMs, { since })
    await site.network.setTimeOffset(-10 * minuteMs)
    // An image may be younger than that.
    await waitFor(/clock: not moved by -(599|600)\.\d+ s: .*(5 minutes|before the image was built)\n/)
    await site.network.setTimeOffset(-4 * minuteMs)
    await waitFor(/clock: moved by -(239|240)\.\d+ s, 1 of 3 servers answered\n/)
  })
})
