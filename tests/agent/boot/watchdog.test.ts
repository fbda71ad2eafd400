import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bestDevice, isStale, startWatchdog } from '../../../agent/boot/watchdog.ts'

const soft = { identity: 'Software Watchdog\n' }
const i6300 = { identity: 'i6300ESB timer\n' }

const machines = [
  ['none', {}, undefined],
  ['softdog alone', { watchdog0: soft }, { name: 'watchdog0', soft: true }],
  ['hardware alone', { watchdog0: i6300 }, { name: 'watchdog0', soft: false, identity: 'i6300ESB timer' }],
  ['hardware after softdog', { watchdog0: soft, watchdog1: i6300 }, { name: 'watchdog1', soft: false }],
  ['two of hardware', { watchdog1: i6300, watchdog0: { identity: 'TCO' } }, { name: 'watchdog0' }],
  [
    'one that says nothing of itself',
    { watchdog0: {} },
    { name: 'watchdog0', identity: 'unknown', soft: false },
  ],
  [
    'other names',
    { watchdog: { ...i6300 }, watchdogs: { ...i6300 }, 'watchdog0.bak': { ...i6300 } },
    undefined,
  ],
  ['a long name', { watchdog0: { identity: 'x'.repeat(99) } }, { identity: 'x'.repeat(40) }],
] as const

for (const [what, sysfs, device] of machines)
  t.test(`the best watchdog of a machine with ${what}`, async t => {
    const best = bestDevice(t.testdir(sysfs))
    if (device === undefined) t.equal(best, undefined)
    else t.match(best, device)
  })

t.test('a machine whose kernel knows no watchdogs has none', async t => {
  const sysfs = join(t.testdir({}), 'none')
  t.equal(bestDevice(sysfs), undefined)
  const watchdog = startWatchdog({ sysfs, dev: '/nowhere' })
  t.equal(watchdog.kind, 'none')
  t.doesNotThrow(() => {
    watchdog.expectPasses()()
  })
})

t.test('a watchdog is fed at once, also when its timeout cannot be set', async t => {
  const folder = t.testdir({ sysfs: { watchdog0: i6300 }, dev: { watchdog0: '' } })
  const dev = join(folder, 'dev')
  const watchdog = startWatchdog({ sysfs: join(folder, 'sysfs'), dev })
  t.equal(watchdog.kind, 'hardware i6300ESB timer')
  t.equal(readFileSync(join(dev, 'watchdog0'), 'latin1'), '\0')
})

t.test('one that refuses its food stops nothing', async t => {
  const folder = t.testdir({
    sysfs: { watchdog0: soft },
    dev: { watchdog0: t.fixture('symlink', '/dev/full') },
  })
  const places = { sysfs: join(folder, 'sysfs'), dev: join(folder, 'dev') }
  t.equal(startWatchdog(places).kind, 'soft')
})

const passes = [
  ['never asked for', undefined, 1e6, false],
  ['just seen', 100, 100, false],
  ['60 s ago', 100, 160, false],
  ['longer ago', 100, 160.1, true],
] as const

for (const [what, last, now, stale] of passes)
  t.test(`a supervisor ${what} ${stale ? 'ends' : 'does not end'} the feeding`, async t =>
    t.equal(isStale(last, now), stale),
  )
