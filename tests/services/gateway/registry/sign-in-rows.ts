import { randomBytes } from 'node:crypto'
import { noncesOf } from '../../../../services/gateway/registry/nonces.ts'
import { operatorsOf } from '../../../../services/gateway/registry/operators.ts'
import { type Refresh, refreshTokensOf } from '../../../../services/gateway/registry/refresh-tokens.ts'
import { authority, newWallet } from '../../../protocol/cluster/sample.ts'
import { after, type Backend, hash, many, now, type Pair, row } from './backend.ts'

const day = 24 * 60
const operator = authority.address
const newNonce = () => randomBytes(32).toString('base64url')
const ends = '2026-11-21T08:05:00Z'
const session = 'ab'.repeat(16)
const refresh = (seed: number, changes: Partial<Refresh> = {}): Refresh => ({
  hash: hash(seed),
  session,
  address: operator,
  expires: '2026-12-21T08:00:00Z',
  ...changes,
})
const nonces = ([a, b]: Pair) => [noncesOf(a), noncesOf(b)] as const
const tokens = ([a, b]: Pair) => [refreshTokensOf(a), refreshTokensOf(b)] as const

const strange: readonly (readonly [string, unknown])[] = [
  ['nothing', ''],
  ['another spelling', `${newNonce()}=`],
  ['SQL', "' OR 1=1 --"],
  ['a NUL', `${newNonce()}\0`],
  ['10 KB', 'A'.repeat(10_000)],
  ['no text', {}],
]

const badRefreshes: readonly (readonly [string, object])[] = [
  ['a hash of another form', { hash: `${hash(1)}'` }],
  ['no session', { session: '' }],
  ['a session in SQL', { session: "' OR 1=1 --" }],
  ['an address in another spelling', { address: operator.toLowerCase() }],
  ['a time that is none', { expires: 'tomorrow' }],
  ['an unknown field', { more: 1 }],
]

// What had happened to the first token; minutes after the sign-in; what its next user is told.
const first = { refresh: refresh(1), isFirstUse: true }
const second = { refresh: refresh(1), isFirstUse: false }
const uses = [
  ['nothing', 0, first],
  ['nothing', 30 * day - 1, first],
  ['nothing', 30 * day, undefined],
  ['it was used', 1, second],
  ['it was used', 30 * day, undefined],
  ['it was used twice', 1, undefined],
  ['its session ended', 1, undefined],
  ['its operator was signed out', 1, undefined],
  ['others ended', 1, first],
  ['it ended two days ago', 32 * day, undefined],
] as const

const before: Readonly<
  Record<(typeof uses)[number][0], (tokens: ReturnType<typeof refreshTokensOf>) => Promise<unknown>>
> = {
  nothing: async () => Promise.resolve(),
  'it was used': tokens => tokens.use(hash(1), now),
  'it was used twice': async tokens => {
    await tokens.use(hash(1), now)
    await tokens.use(hash(1), now)
  },
  'its session ended': tokens => tokens.endSession(session, now),
  'its operator was signed out': tokens => tokens.endAll(operator, now),
  'others ended': async tokens => {
    await tokens.endSession('cd'.repeat(16), now)
    await tokens.endAll(newWallet().address, now)
  },
  'it ended two days ago': tokens =>
    tokens.save(refresh(2, { session: 'cd'.repeat(16), expires: '2027-01-01T08:00:00Z' }), after(32 * day)),
}

/** Nonces, refresh tokens, and when operators were seen. */
export function signInRows(backend: Backend): void {
  for (const [what, nonce] of strange)
    row(backend, `${what} is no nonce, and leaves no row`, async (t, pair) => {
      await t.rejects(noncesOf(pair[0]).use(nonce as string, ends, now), { name: 'ZodError' })
      t.same(await pair[1].query(['SELECT * FROM nonces', {}]), [])
    })

  row(backend, 'a nonce is good once, at whichever gateway, until it ends', async (t, pair) => {
    const [a, b] = nonces(pair)
    const [nonce, other] = [newNonce(), newNonce()]
    t.equal(await b.use(nonce, ends, after(4)), true)
    t.equal(await b.use(nonce, ends, after(4)), false)
    t.equal(await a.use(nonce, ends, now), false)
    t.equal(await a.use(other, ends, after(5)), false)
    t.equal(await a.use(other, ends, now), true)
    for (const bad of ['', 'now', '2026-11-21T08:05:00.5Z', "'; --"])
      await t.rejects(a.use(newNonce(), bad, now), { name: 'ZodError' })
  })

  row(backend, 'of 20 that use one nonce at once one is taken', async (t, pair) => {
    const both = nonces(pair)
    const nonce = newNonce()
    const answers = await Promise.all(many(20, at => (both[at % 2] ?? both[0]).use(nonce, ends, now)))
    t.equal(answers.filter(taken => taken).length, 1)
  })

  row(backend, 'a used nonce is not forgotten because of a clock that is ahead', async (t, pair) => {
    const [a, b] = nonces(pair)
    const nonce = newNonce()
    await a.use(nonce, ends, now)
    await b.use(newNonce(), '2026-11-21T09:05:00Z', after(60))
    t.equal(await a.use(nonce, ends, now), false)
    await b.use(newNonce(), '2026-11-23T09:05:00Z', after(2 * day))
    t.equal((await pair[0].query(['SELECT * FROM nonces', {}])).length, 1)
  })

  for (const [what, minutes, answer] of uses)
    row(backend, `a refresh token, ${minutes} minutes after the sign-in, when ${what}`, async (t, pair) => {
      const [a, b] = tokens(pair)
      await a.save(refresh(1), now)
      await before[what](b)
      t.same(await b.use(hash(1), after(minutes)), answer)
    })

  row(backend, 'an old token that comes again ends its session, and no other', async (t, pair) => {
    const [a, b] = tokens(pair)
    const other = refresh(9, { session: 'cd'.repeat(16) })
    for (const one of [refresh(1), other]) await a.save(one, now)
    await a.use(hash(1), now)
    await a.save(refresh(2), now)
    t.same(await b.use(hash(1), now), second)
    t.equal(await a.use(hash(2), now), undefined)
    t.same(await b.use(hash(9), now), { refresh: other, isFirstUse: true })
  })

  row(backend, 'what is saved for a session that has ended counts for nothing', async (t, pair) => {
    const [a, b] = tokens(pair)
    await a.save(refresh(1), now)
    await a.use(hash(1), now)
    await b.use(hash(1), now)
    await a.save(refresh(2), now)
    t.equal(await a.use(hash(2), now), undefined)
  })

  row(
    backend,
    'of 20 that use one token at once one is the first, and the session is over',
    async (t, pair) => {
      const both = tokens(pair)
      await both[0].save(refresh(1), now)
      const answers = await Promise.all(many(20, at => (both[at % 2] ?? both[0]).use(hash(1), now)))
      t.equal(answers.filter(used => used?.isFirstUse === true).length, 1)
      t.equal(answers.filter(used => used?.isFirstUse === false).length, 1)
      await both[1].save(refresh(2), now)
      t.equal(await both[1].use(hash(2), now), undefined)
    },
  )

  row(backend, 'a token is saved once: nobody makes a used one new', async (t, pair) => {
    const [a, b] = tokens(pair)
    await a.save(refresh(1), now)
    await a.use(hash(1), now)
    await b.save(refresh(1, { session: 'cd'.repeat(16) }), now)
    t.same(await b.use(hash(1), now), second)
  })

  for (const [what, changes] of badRefreshes)
    row(backend, `a refresh token with ${what} is refused`, async (t, pair) => {
      const [a] = tokens(pair)
      await t.rejects(a.save({ ...refresh(1), ...changes }, now), { name: 'ZodError' })
      t.same(await pair[0].query(['SELECT * FROM refresh_tokens', {}]), [])
    })

  row(backend, 'who guesses learns nothing and ends nothing', async (t, pair) => {
    const [a, b] = tokens(pair)
    await a.save(refresh(1), now)
    t.equal(await b.use(hash(2), now), undefined)
    for (const guess of ['', "' OR 1=1 --", 'A'.repeat(64), '\0'.repeat(64), 'a'.repeat(10_000)]) {
      await t.rejects(b.use(guess, now), { name: 'ZodError' })
      await t.rejects(b.endSession(guess, now), { name: 'ZodError' })
      await t.rejects(b.endAll(guess, now))
    }
    t.same(await a.use(hash(1), now), first)
  })

  row(backend, 'operators are seen, never earlier than before', async (t, [a, b]) => {
    const other = newWallet().address
    await operatorsOf(a).seen(operator, after(5))
    await operatorsOf(b).seen(other, after(6))
    await operatorsOf(b).seen(operator, after(1))
    t.same(await operatorsOf(a).list(), [
      { operator: other, lastSeen: '2026-11-21T08:06:00Z' },
      { operator, lastSeen: '2026-11-21T08:05:00Z' },
    ])
    for (const bad of ['', operator.toLowerCase(), `${operator}'`, '0x'.repeat(5000)])
      await t.rejects(operatorsOf(a).seen(bad, now))
  })
}
