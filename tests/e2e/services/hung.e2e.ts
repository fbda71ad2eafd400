import t from 'tap'
import { testImage } from '../support/image.ts'
import { bootMs, enroll, makeSite } from '../support/node.ts'
import { readStatus, untilService } from '../support/status.ts'

// One machine of the test image, which stops every service (SIGSTOP) once all are ready: the processes are there, and
// the kernel goes on to accept connections for them.
t.test('services that hang', async t => {
  const site = await makeSite(t, await testImage('faults'))
  const machine = await site.boot({ fwCfg: { 'opt/orama/fault': 'hang@services' } })
  await enroll(site, machine)
  await machine.console.waitFor('STATE ready\n', bootMs)

  for (const name of Object.keys((await readStatus(site)).services))
    await t.test(`${name}, stopped, is found out by its probe, killed and ready again`, async t => {
      const again = await untilService(site, name, s => s.restarts > 0 && s.state === 'ready')
      t.match(again, { restarts: 1, lastExit: 'hung: 3 probes failed; signal 9' })
    })
})
