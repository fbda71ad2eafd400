import t from 'tap'
import { espFiles } from '../support/esp-files.ts'
import { testImage } from '../support/image.ts'
import { bootMs, enroll, makeSite } from '../support/node.ts'
import { rawDisk } from '../support/raw-disk.ts'
import { readStatus } from '../support/status.ts'

// The agent is PID 1: its end is a panic, the panic a reset, and each boot was counted before it began.
t.test('a version that never gets through its boot', async t => {
  const image = await testImage('faults')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image)
  const esp = await espFiles(disk)
  const entries = () => esp.list('EFI/Linux')
  t.same(await entries(), ['os-a+3-0.efi'])

  const bad = await site.boot({ disk, name: 'bad', fwCfg: { 'opt/orama/fault': 'exit@operator' } })
  for (const [boot, entry] of [
    [1, 'os-a+2-1.efi'],
    [2, 'os-a+1-2.efi'],
    [3, 'os-a+0-3.efi'],
  ] as const)
    await t.test(`boot ${boot}: the agent ends, the kernel panics, the machine resets`, async t => {
      await bad.console.waitFor('fault: exit@operator', bootMs)
      t.same(await entries(), [entry], 'its try was counted before')
      await bad.console.waitFor('Kernel panic - not syncing: Attempted to kill init!', bootMs)
      await bad.console.waitForBoot(boot + 1, bootMs)
    })
  t.ok(bad.events().some(({ event, data }) => event === 'RESET' && data['guest'] === true))
  t.notMatch(bad.console.text(), 'STATE')

  const told = bad.console.text().match(/last panic: .*Attempted to kill init!/g)
  t.equal(told?.length, 2, 'the second and the third boot tell the panic before them')
  await bad.stop()

  const good = await site.boot({ disk, name: 'good' })
  await t.test('once the fault is gone it comes up, alone as it is, and has its tries back', async t => {
    await good.console.waitFor(/last panic: .*Attempted to kill init!/, bootMs)
    await good.console.waitFor('STATE blank\n', bootMs)
    await good.console.waitFor(/boot entry: .* os-a\+3-0\.efi/, bootMs)
    t.same(await entries(), ['os-a+3-0.efi'])
    t.notMatch(good.console.text(), 'fault:')
  })

  await t.test('its status tells of the panic to who enrolls it in that boot', async t => {
    await enroll(site, good)
    await good.console.waitFor('STATE starting\n', bootMs)
    t.match(
      (await readStatus(site)).lastPanic,
      /^<0>\[ *[0-9.]+\] Kernel panic - not syncing: Attempted to kill init!/,
    )
  })
})
