import t, { type Test } from 'tap'
import { expectedAnswers, leaveWords } from '../support/answers.ts'
import { addFile, catFile } from '../support/kubo.ts'
import { testImage } from '../support/image.ts'
import { listenAt } from '../support/listener.ts'
import { bootMs, enroll, makeSite, must } from '../support/node.ts'
import { poll } from '../support/poll.ts'
import { attempt, setMode } from '../support/probe.ts'
import { query } from '../support/rqlite.ts'
import { lives, readStatus, untilReady, untilService } from '../support/status.ts'
import { nodeFile } from '../support/wallet-file.ts'
import { command, countOf, curl, lastLines, untilAnswers } from './asks.ts'
import { killedUnderLoad, killing } from './killed.ts'
import { nodeIp, take, takings, untilKilled } from './port-takings.ts'
import { deniedCalls, rows } from './rows.ts'

/** Twice what the probe writes in a line, and its time. */
const floodLineBytesMax = 256

// One machine of the test image, in which a probe service tries what no service may do.
t.test('services that are killed, and one that is hostile', async t => {
  const site = await makeSite(t, await testImage('faults'))
  const machine = await site.boot({ fwCfg: killing })
  await enroll(site, machine)
  await machine.console.waitFor('STATE ready\n', bootMs)
  const names = Object.keys((await readStatus(site)).services)

  /** Everybody but the probe: state, process, how often it was started again. */
  const others = async () => lives(await readStatus(site), 'probe')

  await t.test('kill -9 of every service in turn under load: each is ready again, and nothing is lost', t =>
    killedUnderLoad(t, site, machine.console),
  )

  const { nodeId, cluster } = await nodeFile(site)
  let askOthers = await leaveWords(site, `${nodeId}.node.${cluster}`)
  /** They do not only look ready, which status may say for a while after: each answers what it was given. */
  const othersAnswer = async (t: Test) => {
    t.same(await askOthers(), expectedAnswers)
  }
  for (const name of names) t.equal((await untilReady(site, name)).state, 'ready')
  const before = await others()

  for (const [what, name, words, outcome] of rows)
    await t.test(`the probe ${what}: ${outcome}`, async t => {
      t.equal(await attempt(site, name, ...words), outcome)
      t.same(await others(), before)
    })

  for (const [whom, address] of [
    ['a host outside', '192.0.2.1'],
    ['an operator', '10.0.0.254'],
  ] as const)
    await t.test(`the probe calls ${whom}: no answer, for the call does not arrive`, async t => {
      await using listener = await listenAt(site, address, 8022)
      t.equal(await attempt(site, 'connect', address, 8022), 'no answer')
      t.equal(listener.calls(), 0)
      t.equal(await site.network.exec('curl', ['-s', '-m', '5', `http://${address}:8022/`]), 'heard')
      t.equal(listener.calls(), 1)
      t.same(await others(), before)
    })

  await t.test('it was the filter that refused: status counts each of these calls', async t => {
    const { denied = {} } = await untilService(
      site,
      'probe',
      service => (service.denied?.['keyctl'] ?? 0) > 0,
    )
    t.same(
      deniedCalls.filter(name => (denied[name] ?? 0) === 0),
      [],
    )
  })

  for (const mode of ['enforce', 'audit'] as const)
    await t.test(`1,000 denied calls count as 1,000, or as lost: ${mode}`, async t => {
      must(await command(site, 'seccomp', 'probe', '--mode', mode))
      await untilReady(site, 'probe')
      const first = await countOf(site, 'sethostname')
      t.equal(await attempt(site, 'calls', 'sethostname', 1000), 'EPERM')
      let counted = 0
      for (const endMs = performance.now() + bootMs; counted < 1000 && performance.now() < endMs;)
        counted = (await countOf(site, 'sethostname')) - first
      t.equal(counted, 1000)
      t.same(await others(), before)
    })

  await t.test('the filter is closed again', async () => {
    must(await command(site, 'seccomp', 'probe', '--mode', 'enforce'))
    await untilReady(site, 'probe')
  })

  await t.test('a fork bomb ends at its own limit', async t => {
    t.equal(await attempt(site, 'fork'), 'EAGAIN')
    t.same(await others(), before)
    await othersAnswer(t)
    t.equal(await attempt(site, 'end-forks'), 'done')
  })

  await t.test('who fills memory is killed, and nobody else', async t => {
    const { restarts } = await untilReady(site, 'probe')
    await t.rejects(attempt(site, 'memory'))
    const again = await untilService(site, 'probe', s => s.restarts > restarts && s.state === 'ready')
    t.match(again, { restarts: restarts + 1, lastExit: 'signal 9' })
    t.same(await others(), before)
    await othersAnswer(t)
  })

  for (const what of ['blocks', 'inodes'])
    await t.test(`who fills the disk reaches its quota of ${what}; the others can write`, async t => {
      t.equal(await attempt(site, what), 'EDQUOT')
      await query(site, 'INSERT INTO load VALUES (-1)')
      const cid = await addFile(site, `while the quota of ${what} is full`)
      t.match(await catFile(site, cid), what)
      await othersAnswer(t)
      t.equal(await attempt(site, 'empty'), 'done')
      t.same(await others(), before)
    })

  await t.test('who computes in two threads gets one processor, which is its limit', async t => {
    t.ok(Number(await attempt(site, 'spin', 5)) <= 1.2)
    await othersAnswer(t)
    t.same(await others(), before)
  })

  await t.test('who writes 16 MiB at 4 MiB a second takes at least 3 seconds on any machine', async t => {
    t.ok(Number(await attempt(site, 'pace', 16)) >= 3000)
    await othersAnswer(t)
    t.equal(await attempt(site, 'empty'), 'done')
    t.same(await others(), before)
  })

  await t.test(
    "who listens on another's port while that restarts is not reached, and told no password",
    async t => {
      must(await command(site, 'stop', 'rqlite'))
      await take(site, ['listen', nodeIp, 10_100])
      // Refused by nobody, or else by the kernel, since the port is free again.
      await t.rejects(curl(site, 10_100), /status (7|28)/)
      await untilKilled(site, 'took port 10100 of rqlite; signal 9')
      must(await command(site, 'start', 'rqlite'))
      await untilReady(site, 'rqlite')
      t.match(await query(site, 'SELECT count(*) FROM load'), /\[/)
    },
  )

  for (const [what, attempted, owner, port] of takings)
    await t.test(`who takes another's port ${what} does not keep its owner from coming back`, async t => {
      must(await command(site, 'stop', owner))
      await take(site, attempted)
      must(await command(site, 'start', owner))
      await untilReady(site, owner)
      await untilKilled(site, `took port ${port} of ${owner}; signal 9`)
      t.match((await readStatus(site)).services[owner], { state: 'ready' })
    })

  await t.test('who poses as the guardian is not reached, and killed', async t => {
    must(await command(site, 'stop', 'guardian'))
    await take(site, ['listen', '0.0.0.0', 10_106])
    await t.rejects(curl(site, 10_106), /status (7|28)/)
    await untilKilled(site, 'took port 10106 of guardian; signal 9')
    must(await command(site, 'start', 'guardian'))
    await untilReady(site, 'guardian')
  })

  await t.test('a port that is nobody’s is not reached', async t => {
    t.equal(await attempt(site, 'listen', '0.0.0.0', 10_191), 'done')
    await t.rejects(curl(site, 10_191), /status 28/)
    t.equal(await attempt(site, 'connect', '127.0.0.1', 10_191), 'ECONNREFUSED')
  })

  const later = await others()

  // Olric, which is memory, has been restarted.
  askOthers = await leaveWords(site, `${nodeId}.node.${cluster}`)

  await t.test('who writes a log as fast as it is read harms nobody', async t => {
    const { restarts } = await untilReady(site, 'probe')
    t.equal(await attempt(site, 'flood', 10), 'done')
    for (const endMs = performance.now() + 12_000; performance.now() < endMs;) {
      t.same(await others(), later)
      await othersAnswer(t)
    }
    t.match((await readStatus(site)).services['probe'], { state: 'ready', restarts })
    // How fast the agent reads beside all that decides whether it is too much: alone it is fast.
    const log = await poll({
      ask: async () => {
        t.equal(await attempt(site, 'flood', 3), 'done')
        return lastLines(site, 'probe')
      },
      wanted: text => text.includes('lines dropped: too many at once'),
      what: 'lines to be dropped',
      deadlineMs: bootMs,
      askAgainMs: 3000,
    })
    t.ok(Buffer.byteLength(log) <= 1000 * floodLineBytesMax, `${Buffer.byteLength(log)} bytes`)
  })

  await t.test('who does not heed SIGTERM is killed after its grace', async t => {
    await setMode(site, 'deaf')
    must(await command(site, 'restart', 'probe'))
    await untilReady(site, 'probe')
    must(await command(site, 'stop', 'probe'))
    t.match((await readStatus(site)).services['probe'], { state: 'stopped', lastExit: 'signal 9' })
    must(await command(site, 'start', 'probe'))
    await untilReady(site, 'probe')
    await setMode(site, 'good')
    must(await command(site, 'restart', 'probe'))
    await untilReady(site, 'probe')
    t.same(await others(), later)
  })

  await t.test('who hangs is started again, and who never becomes ready too', async t => {
    await setMode(site, 'hung')
    const hung = await untilService(site, 'probe', ({ lastExit }) => lastExit?.startsWith('hung') === true)
    // More than three where the last ten seconds before it hung were work.
    t.match(hung.lastExit, /^hung: ([3-9]|1[0-2]) probes failed; status 0$/)
    const never = await untilService(site, 'probe', ({ lastExit }) => lastExit?.startsWith('not') === true)
    t.match(never.lastExit, 'not ready after 60 s; status 0')
    t.not((await readStatus(site)).state, 'ready')
    t.same(await others(), later)
    await untilService(site, 'probe', ({ pid }) => pid !== undefined)
    await untilAnswers(() => setMode(site, 'good'))
    await untilReady(site, 'probe')
    t.equal((await readStatus(site)).state, 'ready')
    t.same(await others(), later)
  })

  await t.test('the node stops a service before the one that it requires', async () => {
    must(await command(site, 'reboot'))
    await machine.console.waitFor(/STATE stopping\n[^]*probe: stopped; [^]*coredns: stopped; /, bootMs)
  })
})
