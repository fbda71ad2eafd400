import { createHash } from 'node:crypto'
import t from 'tap'
import type { SignedText } from '../../../protocol/fields.ts'
import { type Challenge, challengeSchema, checkChallenge, tokensSchema } from '../../../protocol/login.ts'
import { signInKeys } from '../../../services/gateway/sign-in.ts'
import { authority, cluster, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { highTwin } from '../../protocol/sample.ts'
import { audience, deskAt, loginFor, operator, trust } from './samples.ts'

const minute = 60_000
const hour = 60 * minute

for (const [who, wallet] of [
  ['the authority', authority],
  ['an operator that it appointed', operator],
] as const)
  t.test(`${who} signs in`, async t => {
    const { desk, clock } = deskAt()
    const challenge = challengeSchema.parse(desk.challenge(wallet.address))
    const here = { cluster, audience, now: new Date(clock.nowMs), address: wallet.address }
    t.doesNotThrow(() => checkChallenge(challenge, here), 'the challenge is one that a client signs')
    const tokens = tokensSchema.parse(await desk.login(loginFor(challenge, wallet)))
    t.equal(tokens.expires, '2026-11-21T08:15:00Z')
    t.equal(desk.operatorOf(`Bearer ${tokens.token}`), wallet.address)
  })

t.test('what one gateway of a cluster begins another ends', async t => {
  const [one, other] = [deskAt(), deskAt()]
  const { token } = await other.desk.login(loginFor(one.desk.challenge(operator.address)))
  t.equal(one.desk.operatorOf(`Bearer ${token}`), operator.address)
})

t.test('no challenge is remembered until it is signed', async t => {
  const { desk, store } = deskAt()
  for (let asked = 0; asked < 100; asked++) desk.challenge(operator.address)
  t.equal(store.nonces.size, 0)
})

const stranger = newWallet()
const foreign = { keys: signInKeys(Buffer.alloc(32, 2)) }
const challengeOf = (changes: Parameters<typeof deskAt>[0] = {}) =>
  deskAt(changes).desk.challenge(operator.address)
const changed = (change: Partial<Challenge>) => loginFor({ ...challengeOf(), ...change })
const login = loginFor(challengeOf())
const overText = (text: string) => signedBy(operator, text)

const refused: readonly (readonly [string, number, SignedText])[] = [
  ['the text of something else', 400, overText('OramaOS order v1')],
  ['lines in another order', 400, overText(login.text.replace(/(\ncluster.*)(\naudience.*)/, '$2$1'))],
  ['a newline at the end', 400, overText(`${login.text}\n`)],
  ['a line too many', 400, overText(`${login.text}\nstatement: I agree`)],
  ['the text that a server would compose (ERC-4361)', 400, overText(`gateway.example wants you to sign in`)],
  ['the high-s twin', 403, { ...login, signature: highTwin(login.signature) }],
  ['a signature by a stranger', 403, loginFor(challengeOf(), stranger)],
  ['a signature by another operator', 403, loginFor(challengeOf(), authority)],
  ['a nonce of one’s own', 403, changed({ nonce: 'A'.repeat(43) })],
  ['the nonce of another wallet', 403, changed({ nonce: deskAt().desk.challenge(authority.address).nonce })],
  [
    'another wallet with this nonce',
    403,
    loginFor({ ...challengeOf(), address: authority.address }, authority),
  ],
  ['a later end', 403, changed({ expires: '2026-11-21T08:05:01Z' })],
  ['another beginning', 403, changed({ issued: '2026-11-21T08:00:01Z' })],
  ['another cluster', 403, changed({ cluster: '0b'.repeat(16) })],
  ['the challenge of another cluster', 403, loginFor(challengeOf(foreign))],
  ['the challenge of another gateway', 403, loginFor(challengeOf({ audience: 'https://other.example' }))],
]

for (const [why, status, signed] of refused)
  t.test(`a login is refused with ${status}: ${why}`, async t => {
    const { desk, store } = deskAt()
    await t.rejects(desk.login(signed), { name: 'HttpError', status, message: /./ })
    t.same(store.saved, [])
    t.equal(store.nonces.size, 0, 'and uses up nothing')
  })

t.test('a login serves once', async t => {
  const { desk, store } = deskAt()
  const signed = loginFor(desk.challenge(operator.address))
  const [first, second] = await Promise.allSettled([desk.login(signed), desk.login(signed)])
  t.equal(first.status, 'fulfilled')
  t.match(second, { status: 'rejected', reason: { status: 403, message: 'this challenge was used' } })
  t.equal(store.saved.length, 1)
})

t.test('a login that comes after five minutes is refused', async t => {
  const { desk, clock } = deskAt()
  const [good, late] = [desk.challenge(operator.address), desk.challenge(operator.address)]
  clock.nowMs += 5 * minute - 1
  await t.resolves(desk.login(loginFor(good)))
  clock.nowMs += 1
  await t.rejects(desk.login(loginFor(late)), { status: 403, message: /has expired/ })
})

t.test('who is no operator gets no challenge, and who retired no token', async t => {
  t.throws(() => deskAt().desk.challenge(stranger.address), { status: 403, message: /no operator/ })
  const retired = '2026-11-21T08:01:00Z'
  const { desk, clock } = deskAt({
    trust: () => ({ ...trust, operators: [{ address: operator.address, retired }] }),
  })
  const [early, late] = [desk.challenge(operator.address), desk.challenge(operator.address)]
  const { token, refresh } = await desk.login(loginFor(early))
  clock.nowMs = Date.parse(retired)
  t.throws(() => desk.challenge(operator.address), { status: 403, message: /no operator/ })
  t.throws(
    () => desk.operatorOf(`Bearer ${token}`),
    { status: 403, message: /no operator/ },
    'also what was issued before ends',
  )
  await t.rejects(desk.login(loginFor(late)), { status: 403, message: /no operator/ })
  await t.rejects(desk.refresh(refresh), { status: 403, message: /no operator/ })
})

async function signedIn() {
  const at = deskAt()
  return { ...at, tokens: await at.desk.login(loginFor(at.desk.challenge(operator.address))) }
}

t.test('a refresh token is stored as its hash, and gives new tokens', async t => {
  const { desk, clock, store, tokens } = await signedIn()
  t.equal(store.saved[0]?.hash, createHash('sha256').update(tokens.refresh).digest('hex'))
  clock.nowMs += 20 * minute
  t.throws(() => desk.operatorOf(`Bearer ${tokens.token}`), { status: 401, message: /Cannot accept token/ })
  const next = tokensSchema.parse(await desk.refresh(tokens.refresh))
  t.equal(next.expires, '2026-11-21T08:35:00Z')
  t.not(next.refresh, tokens.refresh)
  t.equal(desk.operatorOf(`Bearer ${next.token}`), operator.address)
  t.equal(store.saved[1]?.session, store.saved[0]?.session)
})

t.test('a refresh token that comes a second time ends the session, for thief and owner', async t => {
  const { desk, tokens } = await signedIn()
  const next = await desk.refresh(tokens.refresh)
  await t.rejects(desk.refresh(tokens.refresh), { status: 401, message: /used, old/ })
  await t.rejects(desk.refresh(next.refresh), { status: 401, message: /used, old/ })
})

t.test('a session ends twelve hours after its login, however often it is refreshed', async t => {
  const { desk, clock, tokens } = await signedIn()
  clock.nowMs += 12 * hour - 1000
  const last = await desk.refresh(tokens.refresh)
  clock.nowMs += 1000
  await t.rejects(desk.refresh(last.refresh), { status: 401, message: /used, old/ })
})

t.test('a refresh token of nobody is refused', async t => {
  const { desk } = await signedIn()
  await t.rejects(desk.refresh('A'.repeat(43)), { status: 401, message: /used, old/ })
})

const headers = [
  ['nothing', () => undefined],
  ['an empty header', () => ''],
  ['the token alone', (token: string) => token],
  ['another scheme', (token: string) => `Basic ${token}`],
  ['the scheme in lower case', (token: string) => `bearer ${token}`],
  ['two spaces', (token: string) => `Bearer  ${token}`],
  ['two tokens', (token: string) => `Bearer ${token}, Bearer ${token}`],
  ['a refresh token', () => `Bearer ${'A'.repeat(43)}`],
  ['a token that is not whole', (token: string) => `Bearer ${token.slice(0, -1)}`],
] as const

for (const [why, header] of headers)
  t.test(`refused with 401 in place of a bearer token: ${why}`, async t => {
    const { desk, tokens } = await signedIn()
    try {
      desk.operatorOf(header(tokens.token))
      t.fail('taken')
    } catch (error) {
      t.match(error, { status: 401, headers: { 'www-authenticate': 'Bearer' } })
      t.notMatch(String(error), tokens.token)
    }
  })

t.test('a token of another cluster, or of another gateway, is refused', async t => {
  const { token } = (await signedIn()).tokens
  t.throws(() => deskAt(foreign).desk.operatorOf(`Bearer ${token}`), {
    status: 401,
    message: /Cannot accept token/,
  })
  const elsewhere = deskAt({ audience: 'https://other.example' })
  t.throws(() => elsewhere.desk.operatorOf(`Bearer ${token}`), { status: 401, message: /another gateway/ })
})

t.test('the keys of a purpose are its own', async t => {
  const { token, nonce } = signInKeys(Buffer.alloc(32, 1))
  t.notOk(token.equals(nonce))
  t.throws(() => signInKeys(Buffer.alloc(31)), { name: 'RangeError' })
})
