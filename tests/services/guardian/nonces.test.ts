import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newNonces } from '../../../services/guardian/nonces.ts'
import { newClock } from './clock.ts'

function book() {
  const clock = newClock()
  return { clock, nonces: newNonces({ nowMs: clock.nowMs, random: randomBytes }) }
}

t.test('a nonce is 16 bytes, and another each time', async t => {
  const { nonces } = book()
  const issued = [nonces.issue('a'), nonces.issue('a'), nonces.issue('b')]
  t.same(
    issued.map(nonce => Buffer.from(nonce, 'base64url').length),
    [16, 16, 16],
  )
  t.equal(new Set(issued).size, 3)
})

t.test('a nonce is good once', async t => {
  const { nonces } = book()
  const [first, second] = [nonces.issue('a'), nonces.issue('a')]
  t.same([nonces.take('a', second), nonces.take('a', second), nonces.take('a', first)], [true, false, true])
})

const refused = [
  ['of another node', 'b', 0],
  ['after 30 s', 'a', 30_000],
] as const

for (const [why, node, waitMs] of refused)
  t.test(`a nonce is not good ${why}`, async t => {
    const { clock, nonces } = book()
    const nonce = nonces.issue('a')
    clock.ms += waitMs
    t.equal(nonces.take(node, nonce), false)
  })

t.test('a nonce is good until 30 s have gone, and none is good that was not issued', async t => {
  const { clock, nonces } = book()
  const nonce = nonces.issue('a')
  clock.ms += 29_999
  t.same([nonces.take('a', randomBytes(16).toString('base64url')), nonces.take('a', nonce)], [false, true])
})

t.test('of five outstanding the oldest is good no more; those of other nodes are', async t => {
  const { nonces } = book()
  const other = nonces.issue('b')
  const five = Array.from({ length: 5 }, () => nonces.issue('a'))
  t.same(
    five.map(nonce => nonces.take('a', nonce)),
    [false, true, true, true, true],
  )
  t.equal(nonces.take('b', other), true)
})
