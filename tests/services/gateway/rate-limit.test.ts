import t from 'tap'
import { rateLimiter } from '../../../services/gateway/rate-limit.ts'
import { slots } from '../../../services/gateway/slots.ts'

function limiterAt(rate: { perSecond: number; burst: number; keysMax: number }) {
  const clock = { nowMs: 0 }
  return { ...rateLimiter(rate, () => clock.nowMs), clock }
}
const rate = { perSecond: 2, burst: 3, keysMax: 4 }

t.test('a key has its burst at once, and then its rate', async t => {
  const { take, clock } = limiterAt(rate)
  t.same([take('a'), take('a'), take('a')], [0, 0, 0])
  t.equal(take('a'), 500)
  clock.nowMs = 499
  t.equal(take('a'), 1)
  clock.nowMs = 500
  t.equal(take('a'), 0)
  t.equal(take('a'), 500)
  clock.nowMs = 1_000_000
  t.same([take('a'), take('a'), take('a')], [0, 0, 0], 'never more than the burst')
  t.equal(take('a'), 500)
})

t.test('who is refused does not wait longer for having asked', async t => {
  const { take, clock } = limiterAt(rate)
  for (let at = 0; at < 3; at++) take('a')
  for (let at = 0; at < 1000; at++) t.equal(take('a'), 500)
  clock.nowMs = 500
  t.equal(take('a'), 0)
})

t.test('one key has no say in what another may', async t => {
  const { take } = limiterAt(rate)
  for (let at = 0; at < 10; at++) take('a')
  t.same([take('b'), take('b'), take('b')], [0, 0, 0])
  t.equal(take('__proto__'), 0)
})

t.test('keys beyond the most that are remembered share one bucket', async t => {
  const { take, clock } = limiterAt(rate)
  for (const key of ['a', 'b', 'c', 'd']) take(key)
  t.same(
    Array.from({ length: 4 }, (_, at) => take(`other ${at}`)),
    [0, 0, 0, 500],
  )
  clock.nowMs = 500
  t.equal(take('another'), 0, 'those before are full again, and forgotten')
})

t.test('who comes with many keys cannot have what he took forgotten', async t => {
  const { take } = limiterAt(rate)
  for (let at = 0; at < 3; at++) take('a')
  for (let at = 0; at < 1000; at++) take(`key ${at}`)
  t.equal(take('a'), 500)
})

t.test('a key that is used all the time does not keep those behind it from being forgotten', async t => {
  const { take, clock } = limiterAt(rate)
  for (const key of ['a', 'b', 'c', 'd']) take(key)
  clock.nowMs = 400
  for (let at = 0; at < 2; at++) take('a')
  clock.nowMs = 500
  for (const key of ['e', 'f', 'g']) t.same([take(key), take(key), take(key)], [0, 0, 0])
  t.same([take('a'), take('a')], [0, 500], 'of 3 it has taken 4, and one came back')
})

t.test('places are so many a key and so many in all', async t => {
  const { take } = slots({ all: 3, perKey: 2 })
  const [first] = [take('a'), take('a')]
  t.throws(() => take('a'), { name: 'HttpError', status: 429 })
  take('b')
  t.throws(() => take('c'), { name: 'HttpError', status: 503 })
  first()
  first()
  t.doesNotThrow(() => take('c'))
  t.throws(() => take('b'), { status: 503, message: 'the gateway is busy' }, 'a place is given back once')
})
