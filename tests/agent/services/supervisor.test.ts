import t from 'tap'
import { restartDelayMs } from '../../../agent/services/keeper.ts'
import { manifest } from './example.ts'
import { setUp } from './fake-world.ts'

const one = manifest({ name: 'one' })
const two = manifest({ name: 'two', uid: 1002, port: 2, requires: ['one'] })

t.test('a service that dies is started again, later each time, and never given up', async t => {
  const { supervisor, events, advance, die, state } = setUp(t, [one])
  supervisor.startAll()
  for (const pauseMs of [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].map(s => s * 1000)) {
    await advance(0)
    t.equal(state('one'), 'ready')
    die('one', { status: 7, signal: null })
    await advance(pauseMs - 1)
    t.match(supervisor.status()['one'], { state: 'backoff', lastExit: 'status 7' })
    await advance(1)
  }
  t.equal(events.filter(e => e === 'start one').length, 13)
  t.match(supervisor.status()['one'], { state: 'ready', restarts: 12 })
})

t.test('ready for a minute: earlier deaths are forgotten', async t => {
  const { advance, die, supervisor, state } = setUp(t, [one])
  supervisor.startAll()
  for (const wait of [1000, 2000, 4000]) {
    await advance(0)
    die('one', { status: 1, signal: null })
    await advance(wait)
  }
  await advance(60_000)
  die('one', { status: 1, signal: null })
  await advance(1000)
  t.equal(state('one'), 'ready')
})

t.test('a service waits until what it requires is ready', async t => {
  const { supervisor, behaviour, advance, events, state } = setUp(t, [two, one])
  behaviour('one').healthy = false
  supervisor.startAll()
  await advance(30_000)
  t.same(events, ['start one'])
  behaviour('one').healthy = true
  await advance(1000)
  t.same(events, ['start one', 'start two'])
  t.equal(state('two'), 'ready')
})

t.test('an eager service does not wait, and stops first all the same', async t => {
  const eager = { ...two, eager: true }
  const { supervisor, behaviour, advance, events, state } = setUp(t, [eager, one])
  behaviour('one').healthy = false
  supervisor.startAll()
  await advance(1000)
  t.same(events.toSorted(), ['start one', 'start two'])
  t.equal(state('two'), 'ready')
  behaviour('one').healthy = true
  await advance(1000)
  await supervisor.stopAll()
  t.same(events.slice(2), ['TERM two', 'remove two', 'TERM one', 'remove one'])
})

t.test('all are stopped in reverse order, each before the next, and stay so', async t => {
  const { supervisor, advance, events, state } = setUp(t, [one, two])
  supervisor.startAll()
  await advance(0)
  await supervisor.stopAll()
  t.same(events.slice(2), ['TERM two', 'remove two', 'TERM one', 'remove one'])
  await advance(1e6)
  t.equal(events.length, 6)
  t.same([state('one'), state('two')], ['stopped', 'stopped'])
})

t.test('who does not heed the signal is killed after the grace', async t => {
  const { supervisor, behaviour, advance, events, state } = setUp(t, [one])
  behaviour('one').diesOf = ['KILL']
  supervisor.startAll()
  await advance(0)
  const stopped = supervisor.stop('one')
  await advance(19_999)
  t.same([events.at(-1), state('one')], ['TERM one', 'stopping'])
  await advance(1)
  await stopped
  t.same(events.slice(1), ['TERM one', 'KILL one', 'remove one'])
  t.match(supervisor.status()['one'], { state: 'stopped', lastExit: 'signal 9' })
})

t.test('a process that not even SIGKILL ends holds up nobody', async t => {
  const { supervisor, behaviour, advance } = setUp(t, [one])
  behaviour('one').diesOf = []
  supervisor.startAll()
  await advance(0)
  const stopped = supervisor.stopAll()
  await advance(30_000)
  await stopped
  t.match(supervisor.status()['one'], { state: 'stopped', lastExit: 'did not end after SIGKILL' })
})

t.test('three failed probes in a row and it is restarted; two are forgiven', async t => {
  const { supervisor, behaviour, advance, events, state } = setUp(t, [one])
  supervisor.startAll()
  await advance(5000)
  behaviour('one').healthy = false
  await advance(20_000)
  behaviour('one').healthy = true
  await advance(10_000)
  t.same([state('one'), events], ['ready', ['start one']])
  behaviour('one').healthy = false
  await advance(25_500)
  t.same(events, ['start one', 'TERM one', 'remove one'])
  t.match(supervisor.status()['one'], { state: 'backoff', lastExit: 'hung: 3 probes failed; signal 15' })
})

t.test('who never becomes ready is restarted', async t => {
  const { supervisor, behaviour, advance } = setUp(t, [one])
  behaviour('one').healthy = false
  supervisor.startAll()
  await advance(119_000)
  t.match(supervisor.status()['one'], { state: 'starting', restarts: 0 })
  await advance(1000)
  t.match(supervisor.status()['one'], { state: 'backoff', lastExit: 'not ready after 120 s; signal 15' })
})

t.test('who is slow on a machine with too much to do has longer with each restart but the first', async t => {
  const { supervisor, behaviour, advance } = setUp(t, [one])
  behaviour('one').healthy = false
  supervisor.startAll()
  const ends: (string | undefined)[] = []
  for (let s = 0; s < 4000 && ends.length < 5; s++) {
    await advance(1000)
    const { lastExit } = supervisor.status()['one'] ?? {}
    if (lastExit !== ends.at(-1)) ends.push(lastExit)
  }
  t.same(
    ends,
    [120, 240, 480, 960].map(s => `not ready after ${s} s; signal 15`),
  )
})

t.test('who cannot be started is tried again, and the reason is told', async t => {
  const { supervisor, behaviour, advance, state } = setUp(t, [one])
  behaviour('one').broken = 'crun: no such program'
  supervisor.startAll()
  await advance(500)
  t.match(supervisor.status()['one'], { state: 'backoff', lastExit: 'did not start: crun: no such program' })
  delete behaviour('one').broken
  await advance(500)
  t.equal(state('one'), 'ready')
})

t.test('one restart touches no other service and is no failure', async t => {
  const { supervisor, advance, events } = setUp(t, [one, two])
  supervisor.startAll()
  await advance(0)
  await supervisor.restart('one')
  await advance(0)
  t.same(events.slice(2), ['TERM one', 'remove one', 'start one'])
  t.match(supervisor.status(), { one: { state: 'ready', restarts: 0 }, two: { state: 'ready', restarts: 0 } })
})

t.test('the death of a required service does not touch who requires it', async t => {
  const { supervisor, advance, die, events } = setUp(t, [one, two])
  supervisor.startAll()
  await advance(0)
  die('one', { status: null, signal: 11 })
  await advance(1000)
  t.same(events.slice(2), ['remove one', 'start one'])
  t.match(supervisor.status()['one'], { restarts: 1, lastExit: 'signal 11' })
})

t.test(
  'a service is stopped while it waits for another, while it is in back-off, and while it is stopped',
  async t => {
    const { supervisor, behaviour, advance, die, state, events } = setUp(t, [one, two])
    behaviour('one').healthy = false
    supervisor.startAll()
    await advance(0)
    await supervisor.stop('two')
    t.equal(state('two'), 'stopped')
    die('one', { status: 1, signal: null })
    await advance(10)
    await supervisor.stop('one')
    await supervisor.stop('one')
    t.equal(state('one'), 'stopped')
    t.notOk(events.includes('start two'))
  },
)

t.test('a start while it stops follows the stop; a start while it runs does nothing', async t => {
  const { supervisor, advance, events, state } = setUp(t, [one])
  supervisor.startAll()
  await advance(0)
  supervisor.start('one')
  await advance(0)
  t.same(events, ['start one'])
  const stopped = supervisor.stop('one')
  supervisor.start('one')
  await stopped
  await advance(0)
  t.same(events, ['start one', 'TERM one', 'remove one', 'start one'])
  t.equal(state('one'), 'ready')
})

t.test('a restart on its way starts nothing once all are stopped', async t => {
  const { supervisor, behaviour, advance, events, state } = setUp(t, [one])
  behaviour('one').diesOf = ['KILL']
  supervisor.startAll()
  await advance(0)
  const restarted = supervisor.restart('one')
  const stopped = supervisor.stopAll()
  await advance(20_000)
  await Promise.all([restarted, stopped])
  await advance(1000)
  t.same(events, ['start one', 'TERM one', 'KILL one', 'remove one'])
  t.equal(state('one'), 'stopped')
})

for (const how of ['start', 'restart'] as const)
  t.test(`a ${how} after all were stopped starts nothing`, async t => {
    const { supervisor, advance, events } = setUp(t, [one])
    supervisor.startAll()
    await advance(0)
    await supervisor.stopAll()
    await supervisor[how]('one')
    await advance(1000)
    t.equal(events.filter(event => event === 'start one').length, 1)
  })

t.test('status tells state, time in it, PID and memory; passes go on', async t => {
  const { supervisor, advance } = setUp(t, [one])
  t.match(supervisor.status(), { one: { state: 'stopped', restarts: 0 } })
  t.equal(supervisor.readyForMs(), undefined)
  supervisor.startAll()
  await advance(45_000)
  t.match(supervisor.status(), {
    one: { state: 'ready', forMs: 45_000, pid: 101, memoryBytes: 1_000_000, cpuS: 1.5 },
  })
  t.equal(supervisor.readyForMs(), 45_000)
  t.equal(supervisor.lastPassMs(), 45_000)
})

t.test('status tells the last probe, good or bad, and when it was', async t => {
  const { supervisor, behaviour, advance } = setUp(t, [one])
  t.equal(supervisor.status()['one']?.lastProbe, undefined)
  supervisor.startAll()
  await advance(4000)
  t.same(supervisor.status()['one']?.lastProbe, { agoMs: 4000, good: true })
  behaviour('one').healthy = false
  await advance(7000)
  t.same(supervisor.status()['one']?.lastProbe, { agoMs: 1000, good: false })
})

t.test('memory and processor time of a service that does not run are not told', async t => {
  const { supervisor, advance } = setUp(t, [one])
  supervisor.startAll()
  await advance(2000)
  t.equal(supervisor.status()['one']?.cpuS, 1.5)
  await supervisor.stop('one')
  await advance(1000)
  t.notOk('memoryBytes' in (supervisor.status()['one'] ?? {}))
})

t.test('services that do not need one another stop at the same time', async t => {
  const three = manifest({ name: 'three', uid: 1003, port: 3 })
  const { supervisor, behaviour, advance, events } = setUp(t, [one, two, three])
  for (const name of ['two', 'three']) behaviour(name).diesOf = ['KILL']
  supervisor.startAll()
  await advance(0)
  const stopped = supervisor.stopAll()
  await advance(20_000)
  await stopped
  t.same(events.slice(3, 5).sort(), ['TERM three', 'TERM two'])
  t.equal(events.indexOf('TERM one'), events.indexOf('remove two') + 1)
})

t.test('names that are no services are refused', async t => {
  const { supervisor } = setUp(t, [one])
  t.throws(() => supervisor.start('ghost'), { name: 'RangeError' })
  t.throws(() => supervisor.stop('constructor'), { name: 'RangeError' })
  await t.rejects(supervisor.restart('ghost'), { name: 'RangeError' })
})

t.test('the pause lies between half of its full length and all of it', async t => {
  t.same(
    [restartDelayMs(1, 0), restartDelayMs(1, 1), restartDelayMs(9, 0), restartDelayMs(1000, 1)],
    [500, 1000, 128_000, 300_000],
  )
})
