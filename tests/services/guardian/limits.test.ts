import t from 'tap'
import { newLimit } from '../../../services/guardian/limits.ts'
import { newClock } from './clock.ts'

t.test('a node has so many turns a minute, and is told how long it waits for the next', async t => {
  const clock = newClock()
  const limit = newLimit(3, clock.nowMs)
  const turns: number[] = []
  for (const waitMs of [0, 10_000, 10_000, 10_000, 10_000, 20_000, 0, 9999, 1]) {
    clock.ms += waitMs
    turns.push(limit('node'))
  }
  t.same(turns, [0, 0, 0, 30_000, 20_000, 0, 10_000, 1, 0])
})

t.test('the turns of one node are not those of another', async t => {
  const limit = newLimit(1, newClock().nowMs)
  t.same([limit('a'), limit('b'), limit('a')], [0, 0, 60_000])
})
