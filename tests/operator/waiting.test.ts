import t from 'tap'
import { waiting } from '../../operator/waiting.ts'
import { realWorld } from '../../operator/world.ts'
import { enrolled } from './enrolled.ts'
import { answer } from './node.ts'
import { orama, passphrase } from './support.ts'

/** A clock in whose world everything takes longer than the delay; counts what was cancelled. */
function slowClock() {
  const clock = { delays: [] as number[], cancelled: 0 }
  const later = (delayMs: number, act: () => void) => {
    clock.delays.push(delayMs)
    act()
    return () => {
      clock.cancelled += 1
    }
  }
  return { clock, later }
}

const rows: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['a node', ['command', 'restart', 'rqlite'], /^Waiting for 10\.0\.0\.1:9998, 60 s at most …$/m],
  ['a log', ['logs'], /^Waiting for 10\.0\.0\.1:9998, 30 s at most …$/m],
  [
    'the wallet',
    ['unlock', '--genesis', '--passphrase-fd', '3'],
    /^Waiting for [^]*^Opening the wallet[^]*^Waiting for 10\.0\.0\.1:9998, 120 s at most …$/m,
  ],
]

t.test('what takes longer than a second is named on standard error', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = {
    'POST /v1/agent/command': answer(200, {}),
    'GET /v1/agent/logs': response => response.end('one\n'),
  }
  for (const [what, words, said] of rows) {
    const { clock, later } = slowClock()
    const ran = await orama({ ...setting, world: { later } }, 'node', ...words)
    t.equal(ran.code, 0, ran.err)
    t.match(ran.err, said, what)
    t.notMatch(ran.out, /Waiting|Opening/)
    t.notMatch(ran.err, passphrase)
    t.ok(clock.delays.every(delayMs => delayMs === 1000))
    t.equal(clock.cancelled, clock.delays.length, 'each is cancelled when it ends')
  }
})

t.test('an unreachable node is waited for aloud, and that ends with the error', async t => {
  const { config } = await enrolled(t)
  const { clock, later } = slowClock()
  const ran = await orama({ config, world: { later } }, 'node', 'status')
  t.equal(ran.code, 4)
  t.match(ran.err, /^Waiting for 10\.0\.0\.1:9998, 15 s at most …\nerror: /)
  t.equal(clock.cancelled, 1)
})

t.test('what is quick says nothing, in the real world too', async t => {
  const said: string[] = []
  const world = { ...realWorld(), err: (text: string) => said.push(text) }
  t.equal(await waiting(world, 'x', () => Promise.resolve(7)), 7)
  await t.rejects(
    waiting(world, 'x', () => Promise.reject(new Error('no'))),
    { message: 'no' },
  )
  t.same(said, [])
})
