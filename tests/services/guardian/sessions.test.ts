import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newKeyPair } from '../../../protocol/keys.ts'
import { sealTo } from '../../../protocol/seal.ts'
import { newSession } from '../../../services/guardian/sessions.ts'

const keys = newKeyPair('x25519')
const session = newSession({ id: Buffer.alloc(16, 1), keys })

t.test('a session has an id and a key as the protocol writes them', async t => {
  t.same([session.id, session.key], ['AQEBAQEBAQEBAQEBAQEBAQ', keys.publicKey.toString('base64url')])
})

t.test('numbers of a node rise, with gaps or without, and no number counts twice', async t => {
  const given = [1, 1, 2, 5, 4, 5, 6, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 1]
  t.same(
    given.map(number => [session.take('a', number), session.number('a')]),
    [
      [true, 1],
      [false, 1],
      [true, 2],
      [true, 5],
      [false, 5],
      [false, 5],
      [true, 6],
      [true, Number.MAX_SAFE_INTEGER],
      [false, Number.MAX_SAFE_INTEGER],
      [false, Number.MAX_SAFE_INTEGER],
    ],
  )
  t.same([session.number('b'), session.take('b', 1)], [0, true])
})

t.test('a session opens what was sealed to it, for one context', async t => {
  const share = randomBytes(97)
  const box = sealTo(keys.publicKey, 'a context', share)
  t.same(session.open('a context', box), share)
  const other = newSession({ id: randomBytes(16), keys: newKeyPair('x25519') })
  t.throws(() => session.open('another', box), { name: 'RangeError' })
  t.throws(() => other.open('a context', box), { name: 'RangeError' })
  t.throws(() => session.open('a context', 'AAAA'), { name: 'RangeError' })
})
