import t from 'tap'
import { backoffMs } from '../../../agent/system/backoff.ts'
import { inTurn, inTurnByKey } from '../../../agent/system/in-turn.ts'

t.test('acts come one after the other; one that fails does not stop the next', async t => {
  const turn = inTurn()
  const seen: string[] = []
  const gate = Promise.withResolvers<undefined>()
  const first = turn(async () => {
    await gate.promise
    seen.push('first')
  })
  const second = turn(() => {
    seen.push('second')
    throw new Error('a fault')
  })
  const third = turn(() => seen.push('third'))
  t.same(seen, [])
  gate.resolve(undefined)
  await first
  await t.rejects(second, { message: 'a fault' })
  t.equal(await third, 3)
  t.same(seen, ['first', 'second', 'third'])
})

t.test('keys do not wait for each other', async t => {
  const turnOf = inTurnByKey()
  const gate = Promise.withResolvers<undefined>()
  const stuck = turnOf('one')(() => gate.promise)
  t.equal(await turnOf('two')(() => 'two'), 'two')
  const behind = turnOf('one')(() => 'behind')
  gate.resolve(undefined)
  await stuck
  t.equal(await behind, 'behind')
})

t.test('backoffMs() doubles between its bounds, and leaves half of it to chance', async t => {
  const range = { minMs: 1000, maxMs: 60_000 }
  t.same(
    [0, 1, 2, 6, 1000].map(failures => [backoffMs(range, failures, 0), backoffMs(range, failures, 1)]),
    [
      [500, 1000],
      [1000, 2000],
      [2000, 4000],
      [30_000, 60_000],
      [30_000, 60_000],
    ],
  )
})
