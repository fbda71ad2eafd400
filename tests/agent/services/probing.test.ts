import t from 'tap'
import { probeUntil } from '../../../agent/services/probing.ts'
import { manifest } from './example.ts'
import { fakeWorld } from './fake-world.ts'

const one = manifest({ name: 'one' })

/** A service that is probed from now on; `said` is what its keeper heard, `given` why it was given up. */
function setUp(patience = 1, onReady: () => Promise<void> = () => Promise.resolve()) {
  const { world, behaviour, advance } = fakeWorld(['one'])
  const stopping = new AbortController()
  const said: string[] = []
  const given: (string | undefined)[] = []
  const service = behaviour('one')
  const begin = () => {
    const probed = probeUntil(one, world, {
      signal: stopping.signal,
      patience,
      onProbe: good => said.push(good ? 'good' : 'bad'),
      onReady: async () => {
        said.push('ready')
        await onReady()
      },
    })
    void probed.then(why => given.push(why))
    return probed
  }
  return { world, service, advance, said, given, begin, stop: () => stopping.abort() }
}

t.test('the first good answer makes it ready, once', async t => {
  const { service, advance, said, given, begin } = setUp()
  service.healthy = false
  void begin()
  await advance(1500)
  service.healthy = true
  await advance(11_000)
  t.same([said, given], [['bad', 'bad', 'good', 'ready', 'good'], []])
})

t.test(
  'until then it is asked for its readiness every second, afterwards for its health every ten',
  async t => {
    const { world, service, advance, begin } = setUp()
    const asked: string[] = []
    const { probe } = world
    Object.assign(world, {
      probe: (of: typeof one, kind: 'readiness' | 'health') => {
        asked.push(`${kind} ${world.nowMs()}`)
        return probe(of, kind)
      },
    })
    service.ready = false
    void begin()
    await advance(1000)
    service.ready = true
    await advance(21_000)
    t.same(asked, ['readiness 0', 'readiness 1000', 'readiness 2000', 'health 12000', 'health 22000'])
  },
)

t.test('a service that loses what it was ready by, but lives, is not given up', async t => {
  const { service, advance, said, given, begin } = setUp()
  void begin()
  await advance(0)
  service.ready = false
  await advance(100_000)
  t.same([said.includes('bad'), given], [false, []])
})

t.test('a service that only lives does not become ready', async t => {
  const { service, advance, said, begin } = setUp()
  service.ready = false
  void begin()
  await advance(60_000)
  t.notOk(said.includes('ready'))
  service.ready = true
  await advance(1000)
  t.equal(said.at(-1), 'ready')
})

const patiences = [1, 2, 8] as const
for (const patience of patiences) {
  const [probes, readyWithinS] = [3 * patience, 120 * patience]

  t.test(`with patience ${patience} it hangs after ${probes} probes in a row that failed`, async t => {
    const { service, advance, given, begin } = setUp(patience)
    void begin()
    await advance(0)
    service.healthy = false
    await advance((probes - 1) * 10_000)
    service.healthy = true
    await advance(10_000)
    service.healthy = false
    await advance((probes - 1) * 10_000)
    t.same(given, [], 'those before a good one are forgiven')
    await advance(10_000)
    t.same(given, [`hung: ${probes} probes failed`])
  })

  t.test(`with patience ${patience} it has ${readyWithinS} s to become ready`, async t => {
    const { service, advance, given, begin } = setUp(patience)
    service.healthy = false
    void begin()
    await advance(readyWithinS * 1000 - 1)
    t.same(given, [])
    await advance(1)
    t.same(given, [`not ready after ${readyWithinS} s`])
  })
}

t.test('who works is late, and not dead: it has four times as long', async t => {
  const { world, service, advance, given, begin } = setUp()
  let sharePerMs = 0.05 / 1000
  Object.assign(world, {
    usage: () => ({ memoryBytes: 1, cpuS: world.nowMs() * sharePerMs }),
  })
  void begin()
  await advance(0)
  service.healthy = false
  await advance(110_000)
  t.same(given, [])
  await advance(10_000)
  t.same(given, ['hung: 12 probes failed'])

  t.comment('one that does nothing any more')
  given.length = 0
  service.healthy = true
  void begin()
  await advance(0)
  sharePerMs = 0
  service.healthy = false
  await advance(30_000)
  t.same(given, ['hung: 3 probes failed'])
})

t.test('who works has four times as long to become ready', async t => {
  const { world, service, advance, given, begin } = setUp()
  Object.assign(world, {
    usage: () => ({ memoryBytes: 1, cpuS: world.nowMs() / 10_000 }),
  })
  service.healthy = false
  void begin()
  await advance(479_000)
  t.same(given, [])
  await advance(1000)
  t.same(given, ['not ready after 480 s'])
})

t.test('of whom nobody knows what it uses, it is not said to work', async t => {
  const { world, service, advance, given, begin } = setUp()
  Object.assign(world, {
    usage: () => {
      throw new Error('no cgroup')
    },
  })
  void begin()
  await advance(0)
  service.healthy = false
  await advance(30_000)
  t.same(given, ['hung: 3 probes failed'])
})

t.test('a probe that throws has failed', async t => {
  const { world, advance, said, given, begin } = setUp()
  Object.assign(world, { probe: () => Promise.reject(new Error('EMFILE')) })
  void begin()
  await advance(120_000)
  t.same([new Set(said), given], [new Set(['bad']), ['not ready after 120 s']])
})

t.test('an answer that comes after the end counts for nothing', async t => {
  const { world, advance, said, given, begin, stop } = setUp()
  const answer = Promise.withResolvers<boolean>()
  Object.assign(world, { probe: () => answer.promise })
  void begin()
  await advance(0)
  stop()
  answer.resolve(true)
  await advance(0)
  t.same([said, given], [[], [undefined]])
})

t.test('it ends between two probes, without a reason', async t => {
  const { advance, said, given, begin, stop } = setUp()
  void begin()
  await advance(0)
  stop()
  await advance(0)
  t.same([said, given], [['good', 'ready'], [undefined]])
})

t.test('who was stopped before it began is not probed', async t => {
  const { said, begin, stop } = setUp()
  stop()
  t.equal(await begin(), undefined)
  t.same(said, [])
})

t.test('it is asked for its health only once all is done that follows from its being ready', async t => {
  const kept = Promise.withResolvers<undefined>()
  const { advance, said, begin } = setUp(1, () => kept.promise)
  void begin()
  await advance(30_000)
  t.same(said, ['good', 'ready'])
  kept.resolve(undefined)
  await advance(10_000)
  t.same(said, ['good', 'ready', 'good'])
})
