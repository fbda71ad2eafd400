import { createHmac, createSecretKey } from 'node:crypto'
import t from 'tap'
import { type Claims, signToken, verifyToken } from '../../../services/gateway/jwt.ts'

const secret = Buffer.alloc(32, 3)
const key = createSecretKey(secret)
const now = new Date('2026-11-21T08:00:00Z')
const nowS = now.getTime() / 1000
const claims: Claims = {
  iss: '0a'.repeat(16),
  aud: 'https://gateway.example',
  sub: '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf',
  iat: nowS,
  exp: nowS + 900,
  jti: '0b'.repeat(16),
}
const expected = { cluster: claims.iss, audience: claims.aud, now }

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const hs256 = (text: string, by: Buffer | string = secret) =>
  createHmac('sha256', by).update(text).digest('base64url')
/** A token as RFC 7515 makes it, of any header and claims. */
function forged(header: unknown, body: unknown, by: Buffer | string = secret): string {
  const text = `${encode(header)}.${encode(body)}`
  return `${text}.${hs256(text, by)}`
}
const usual = { alg: 'HS256', typ: 'JWT' }
const withClaims = (change: object) => forged(usual, { ...claims, ...change })
const good = signToken(claims, key)
const [head = '', body = '', mac = ''] = good.split('.')
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** The same bytes: of the last character only four bits count. */
const respelled = good.slice(0, -1) + alphabet.charAt(alphabet.indexOf(good.slice(-1)) + 1)

t.test('a token is what RFC 7515 says, and reads back', async t => {
  t.equal(good, forged(usual, claims))
  t.same(verifyToken(good, key, expected), claims)
  t.same(verifyToken(good, key, { ...expected, now: new Date(now.getTime() + 899_000) }), claims)
  t.same(verifyToken(good, key, { ...expected, now: new Date(now.getTime() - 60_000) }), claims)
})

const refused: readonly (readonly [string, string, string])[] = [
  ['nothing', '', 'SyntaxError'],
  ['two parts', `${head}.${body}`, 'RangeError'],
  ['two parts and a dot', `${head}.${body}.`, 'RangeError'],
  ['four parts', `${good}.`, 'SyntaxError'],
  ['five parts, as JWE has', `${good}..`, 'SyntaxError'],
  ['alg none with a signature', forged({ ...usual, alg: 'none' }, claims), 'SyntaxError'],
  ['alg none without one', `${encode({ ...usual, alg: 'none' })}.${body}.`, 'SyntaxError'],
  ['alg None', forged({ ...usual, alg: 'None' }, claims), 'SyntaxError'],
  ['alg HS512', forged({ ...usual, alg: 'HS512' }, claims), 'SyntaxError'],
  ['alg RS256', forged({ ...usual, alg: 'RS256' }, claims), 'SyntaxError'],
  ['no alg', forged({ typ: 'JWT' }, claims), 'SyntaxError'],
  ['no typ', forged({ alg: 'HS256' }, claims), 'SyntaxError'],
  ['a key id', forged({ ...usual, kid: '1' }, claims), 'SyntaxError'],
  ['a key', forged({ ...usual, jwk: { kty: 'oct', k: 'AA' } }, claims), 'SyntaxError'],
  ['a key elsewhere', forged({ ...usual, jku: 'https://evil.example' }, claims), 'SyntaxError'],
  ['critical extensions', forged({ ...usual, crit: ['x'] }, claims), 'SyntaxError'],
  ['the header in another order', forged({ typ: 'JWT', alg: 'HS256' }, claims), 'SyntaxError'],
  ['a header that is no JSON', `!.${body}.${mac}`, 'SyntaxError'],
  ['another key', forged(usual, claims, Buffer.alloc(32, 4)), 'RangeError'],
  ['an empty key', forged(usual, claims, ''), 'RangeError'],
  ['no signature', `${head}.${body}.AAAA`, 'RangeError'],
  ['a signature cut short', good.slice(0, -1), 'RangeError'],
  ['a signature with padding', `${good}=`, 'RangeError'],
  ['a signature of another spelling', respelled, 'RangeError'],
  [
    'other claims under the same signature',
    `${head}.${encode({ ...claims, jti: '00'.repeat(16) })}.${mac}`,
    'RangeError',
  ],
  ['claims with a space', `${head}. ${body}.${mac}`, 'RangeError'],
  ['another cluster', withClaims({ iss: '0c'.repeat(16) }), 'RangeError'],
  ['another audience', withClaims({ aud: 'https://other.example' }), 'RangeError'],
  ['two audiences', withClaims({ aud: [claims.aud, 'https://other.example'] }), 'SyntaxError'],
  ['a subject that is no address', withClaims({ sub: 'root' }), 'SyntaxError'],
  ['a subject that is too long', withClaims({ sub: `${claims.sub}0` }), 'SyntaxError'],
  ['the past', withClaims({ iat: nowS - 900, exp: nowS }), 'RangeError'],
  ['the future', withClaims({ iat: nowS + 61, exp: nowS + 900 }), 'RangeError'],
  ['too long a life', withClaims({ exp: nowS + 901 }), 'RangeError'],
  ['an end before its beginning', withClaims({ iat: nowS + 30, exp: nowS + 20 }), 'RangeError'],
  ['an end in milliseconds', withClaims({ exp: (nowS + 900) * 1000 }), 'RangeError'],
  ['an end in text', withClaims({ exp: String(nowS + 900) }), 'SyntaxError'],
  ['half a second', withClaims({ exp: nowS + 900.5 }), 'SyntaxError'],
  ['no end', withClaims({ exp: undefined }), 'SyntaxError'],
  ['no beginning', withClaims({ iat: undefined }), 'SyntaxError'],
  ['no id', withClaims({ jti: undefined }), 'SyntaxError'],
  ['a claim too many', withClaims({ admin: true }), 'SyntaxError'],
  ['claims that are an array', forged(usual, [claims]), 'SyntaxError'],
  ['claims that are null', forged(usual, null), 'SyntaxError'],
  ['2 KiB', forged(usual, { ...claims, jti: '0'.repeat(2048) }), 'SyntaxError'],
]

for (const [why, token, name] of refused)
  t.test(`verifyToken() refuses: ${why}`, async t =>
    t.throws(() => verifyToken(token, key, expected), { name, message: /^Cannot accept token: / }),
  )

t.test('a token ends with its second', async t =>
  t.throws(() => verifyToken(good, key, { ...expected, now: new Date((nowS + 900) * 1000) }), /has expired/),
)

t.test('signToken() refuses claims that no token may have', async t => {
  for (const sub of ['root', claims.sub.toLowerCase()])
    t.throws(() => signToken({ ...claims, sub }, key), { name: 'ZodError' })
})
