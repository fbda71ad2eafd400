import t from 'tap'
import { inSlices } from '../../../agent/system/slices.ts'

/** Steps that each keep the process busy. */
function* busy(steps: number, ms: number): Generator<number, string, boolean> {
  for (let at = 1; at <= steps; at += 1) {
    const endMs = performance.now() + ms
    while (performance.now() < endMs);
    if (yield at) return `ended after ${at}`
  }
  return 'done'
}

t.test('others have their turn between the steps', async t => {
  let turns = 0
  let isOver = false
  const others = () => {
    turns += 1
    if (!isOver) setImmediate(others)
  }
  setImmediate(others)
  t.equal(await inSlices(busy(10, 6)), 'done')
  isOver = true
  t.ok(turns >= 9, `${turns} turns`)
})

t.test('who has enough ends it', async t =>
  t.equal(await inSlices(busy(10, 0), said => said >= 4), 'ended after 4'),
)

t.test('what a step throws is thrown', async t => {
  function* broken(): Generator<undefined, undefined, boolean> {
    yield undefined
    throw new RangeError('broken')
  }
  await t.rejects(inSlices(broken()), { message: 'broken' })
})
