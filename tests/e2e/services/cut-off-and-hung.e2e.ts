import t from 'tap'
import { testImage } from '../support/image.ts'
import { bootMs, enroll, makeSite, must } from '../support/node.ts'
import { untilHalfMade } from '../support/probe.ts'
import { readStatus, untilReady, untilService } from '../support/status.ts'

// One machine of the test image: its power is cut while services start for the first time, when one has just become
// ready and one is at it; the next boot stops every service (SIGSTOP) once all are ready: the processes are there, and
// the kernel goes on to accept connections.
t.test('services that were cut off, and that hang', async t => {
  const site = await makeSite(t, await testImage('faults'))
  const first = await site.boot()
  await enroll(site, first)
  // It leaves a file that it cannot start without to the kernel, for the half minute to come.
  await untilReady(site, 'kubo')
  await untilHalfMade(site)
  await first.kill()

  const machine = await site.boot({ fwCfg: { 'opt/orama/fault': 'hang@services' } })
  await machine.console.waitFor('STATE locked\n', bootMs)
  must(await site.orama('node', 'unlock', '--genesis', '--node-ip', '10.0.0.1'))

  await t.test('a service that was cut off while it set up its data sets it up anew', async t => {
    await machine.console.waitFor('services: probe: status 1; again in ', bootMs)
    await machine.console.waitFor(
      'services: probe: has never been ready, its data folder is emptied\n',
      bootMs,
    )
    await machine.console.waitFor('STATE ready\n', bootMs)
    const { probe } = (await readStatus(site)).services
    t.ok(probe !== undefined && probe.restarts > 0)
  })

  for (const name of Object.keys((await readStatus(site)).services))
    await t.test(`${name}, stopped, is found out by its probe, killed and ready again`, async t => {
      const hung = 'hung: 3 probes failed; signal 9'
      const again = await untilService(site, name, s => s.lastExit === hung && s.state === 'ready')
      t.equal(again.restarts, name === 'probe' ? 2 : 1)
    })
})
