import t from 'tap'
import { manifest } from './example.ts'
import { setUp } from './fake-world.ts'

const one = manifest({ name: 'one' })

t.test('a service that dies before it was ever ready starts over with an empty data folder', async t => {
  const { supervisor, behaviour, unready, events, advance, die } = setUp(t, [one])
  unready.add('one')
  behaviour('one').healthy = false
  supervisor.startAll()
  await advance(0)
  die('one', { status: 1, signal: null })
  await advance(0)
  t.same(events, ['start one', 'remove one', 'empty one'])
  behaviour('one').healthy = true
  await advance(1000)
  t.match(supervisor.status()['one'], { state: 'ready', restarts: 1 })
  die('one', { status: 1, signal: null })
  await advance(2000)
  t.same(events.slice(3), ['start one', 'remove one', 'start one'])
})

t.test('a service that cannot be started at all starts over too', async t => {
  const { supervisor, behaviour, unready, events, advance, state } = setUp(t, [one])
  unready.add('one')
  behaviour('one').broken = 'no such program'
  supervisor.startAll()
  await advance(0)
  t.same(events, ['remove one', 'empty one'])
  delete behaviour('one').broken
  await advance(1000)
  t.equal(state('one'), 'ready')
})

t.test('a service that is stopped before it was ever ready keeps what it has', async t => {
  const { supervisor, behaviour, unready, events, advance } = setUp(t, [one])
  unready.add('one')
  behaviour('one').healthy = false
  supervisor.startAll()
  await advance(0)
  await supervisor.stopAll()
  t.same(events, ['start one', 'TERM one', 'remove one'])
})

t.test('a data folder that cannot be emptied, or kept, costs no start', async t => {
  const { supervisor, world, advance, die, state } = setUp(t, [one])
  const broken = () => Promise.reject(new Error('EIO'))
  Object.assign(world, { keepData: broken, startOver: broken })
  supervisor.startAll()
  await advance(0)
  t.equal(state('one'), 'ready')
  die('one', { status: 1, signal: null })
  await advance(1000)
  t.equal(state('one'), 'ready')
})

t.test('a service that is stopped while its data is being kept does not become ready', async t => {
  const two = manifest({ name: 'two', uid: 1002, port: 2, requires: ['one'] })
  const { supervisor, world, events, advance } = setUp(t, [one, two])
  const kept = Promise.withResolvers<undefined>()
  Object.assign(world, { keepData: () => kept.promise })
  supervisor.startAll()
  await advance(0)
  const stopped = supervisor.stop('one')
  kept.resolve(undefined)
  await stopped
  await advance(1000)
  t.same(events, ['start one', 'TERM one', 'remove one'])
})
