import t from 'tap'
import { newPatience } from '../../../agent/cluster/patience.ts'

t.test('a few refusals a minute are borne for ever', async t => {
  let nowMs = 0
  const patience = newPatience(() => nowMs)
  for (let minute = 0; minute < 5; minute += 1) {
    nowMs = minute * 60_000
    t.equal(patience.note('n1', 31), false)
    t.equal(patience.left('n1'), 1)
  }
})

t.test('many are too much for a whole minute, of that one alone, and are said once', async t => {
  let nowMs = 0
  const patience = newPatience(() => nowMs)
  t.equal(patience.note('n1', 20), false)
  nowMs = 50_000
  t.equal(patience.note('n1', 20), true)
  t.equal(patience.note('n1', 1), false)
  t.same([patience.left('n1'), patience.left('n2')], [0, 32])
  nowMs = 109_999
  t.equal(patience.left('n1'), 0)
  nowMs = 110_000
  t.equal(patience.left('n1'), 32)
})

t.test('good news cost nothing', async t => {
  const patience = newPatience(() => 0)
  for (let at = 0; at < 100; at += 1) patience.note('n1', 0)
  t.equal(patience.left('n1'), 32)
})
