import t from 'tap'
import { createSupervisor } from '../../../agent/services/supervisor.ts'
import { manifest } from './example.ts'
import { fakeWorld, setUp } from './fake-world.ts'

const one = manifest({ name: 'one' })
const thief = manifest({ name: 'thief', uid: 1009, port: 9 })

t.test('who takes the port of another is killed within a pass, and the reason is told', async t => {
  const { supervisor, advance, held, events } = setUp(t, [one, thief])
  supervisor.startAll()
  await advance(2000)
  held.push({ protocol: 'tcp', port: 1234, uid: 1009 })
  await advance(1000)
  t.same(events.slice(2), ['KILL thief', 'remove thief'])
  t.match(supervisor.status(), {
    thief: { state: 'backoff', lastExit: 'took port 1234 of one; signal 9' },
    one: { state: 'ready', restarts: 0 },
  })
})

t.test('a port that was taken while its owner restarted is free when that starts', async t => {
  const { supervisor, advance, held, events } = setUp(t, [one, thief])
  supervisor.startAll()
  await advance(0)
  await supervisor.stop('one')
  held.push({ protocol: 'tcp', port: 1234, uid: 1009 })
  supervisor.start('one')
  await advance(0)
  t.same(events.slice(4), ['KILL thief', 'remove thief', 'start one'])
})

t.test('who takes a port and cannot be killed holds up its owner for a while only', async t => {
  const { supervisor, behaviour, advance, held, events } = setUp(t, [one, thief])
  behaviour('thief').diesOf = []
  supervisor.startAll()
  await advance(0)
  await supervisor.stop('one')
  held.push({ protocol: 'tcp', port: 1234, uid: 1009 })
  supervisor.start('one')
  await advance(10_000)
  t.ok(events.lastIndexOf('start one') > events.indexOf('KILL thief'))
  t.ok(supervisor.lastPassMs() >= 9000)
})

t.test('a kernel that does not say who holds a port is told once, and all run', async t => {
  const lines: string[] = []
  const fake = fakeWorld(['one'])
  const passes = new AbortController()
  t.teardown(() => passes.abort())
  const world = {
    ...fake.world,
    log: (line: string) => void lines.push(line),
    heldPorts: () => {
      throw new Error('Cannot list tcp ports: errno 2')
    },
  }
  const supervisor = createSupervisor([one], world, { signal: passes.signal })
  supervisor.startAll()
  await fake.advance(5000)
  t.equal(supervisor.status()['one']?.state, 'ready')
  t.same(lines, ['ports are not guarded: Cannot list tcp ports: errno 2'])
})
