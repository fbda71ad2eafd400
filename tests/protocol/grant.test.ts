import t from 'tap'
import { checkGrant, composeGrant, genesisTokenHash, parseGrant } from '../../protocol/grant.ts'
import type { Grant } from '../../protocol/grant.ts'
import { publicKeyOf, addressOf, signText } from '../../protocol/wallet.ts'
import { hello, now, vectors } from './sample.ts'

const key = Buffer.alloc(32, 10)
const owner = addressOf(publicKeyOf(key))
const grant = parseGrant(vectors.grant)
const signed = (text: string) => ({ text, signature: signText(text, key) })
const grantWith = (changes: Partial<Grant>) => signed(composeGrant({ ...grant, ...changes }))

t.test('composeGrant() writes exactly what parseGrant() read', async t => {
  t.equal(composeGrant(grant), vectors.grant)
})

t.test('checkGrant() names the owner of a good grant', async t => {
  const checked = await checkGrant(signed(vectors.grant), { hello, now })
  t.equal(checked.owner, owner)
  t.same(Buffer.from(checked.ownerPublicKey), Buffer.from(publicKeyOf(key)))
  await t.resolves(checkGrant(signed(vectors.grant), { hello, now, owner: owner.toLowerCase() }))
})

const line = (from: string | RegExp, to: string) => vectors.grant.replace(from, to)
const misread: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['another first line', line('grant v1', 'grant v2')],
  ['an order', line('OramaOS enrollment grant v1', 'OramaOS order v1')],
  ['a newline at the end', `${vectors.grant}\n`],
  ['carriage returns', vectors.grant.replaceAll('\n', '\r\n')],
  ['a missing line', line(/\ncode: .*/, '')],
  ['a line twice', line('\ncode: ', '\ncode: 865NZVYV\ncode: ')],
  ['lines in another order', line(/(\nkind: genesis)(\ncluster: .*)/, '$2$1')],
  ['a line too many', `${vectors.grant}\nextra: 1`],
  ['another kind', line('genesis', 'guest')],
  ['a cluster in upper case', line('0a0a', '0A0A')],
  ['a hash too short', line(/hello: ../, 'hello: ')],
  ['a code in lower case', line('865NZVYV', '865nzvyv')],
  ['a code with the letter U', line('865NZVYV', '865NZVYU')],
  ['an address with leading zeros', line('192.0.2.7', '192.0.2.07')],
  ['an authority in lower case', vectors.grant.replace(owner, owner.toLowerCase())],
  ['an IPv6 address', line('192.0.2.7', '2001:db8::7')],
  ['a gateway key of other spelling', line(/(gateway-key: .{42})./, '$1W')],
  ['two spaces after a colon', line('kind: genesis', 'kind:  genesis')],
  ['a space at the end of a line', line('kind: genesis', 'kind: genesis ')],
  ['a tab', line('kind: genesis', 'kind: \tgenesis')],
  ['no such date', line('2026-11-21T08:00:00Z', '2026-11-31T08:00:00Z')],
  ['3 KiB', `${vectors.grant}${'x'.repeat(3072)}`],
]

for (const [why, text] of misread)
  t.test(`parseGrant() refuses: ${why}`, async t => t.throws(() => parseGrant(text), { name: 'SyntaxError' }))

t.test('composeGrant() refuses values that would add lines', async t => {
  t.throws(() => composeGrant({ ...grant, code: 'A\nkind: join' }))
})

const other = { hello: 'f'.repeat(64), code: '865NZVYW', tokenHash: 'a'.repeat(64) }
const unfit: readonly (readonly [string, ReturnType<typeof signed>])[] = [
  ['for another hello', grantWith({ hello: other.hello })],
  ['for another code', grantWith({ code: other.code })],
  ['genesis with a token', grantWith({ tokenHash: other.tokenHash })],
  ['a genesis of another authority', grantWith({ authority: addressOf(publicKeyOf(Buffer.alloc(32, 11))) })],
  ['expired', grantWith({ expires: '2026-11-21T08:01:00Z' })],
  ['issued more than 5 minutes ahead', grantWith({ issued: '2026-11-21T08:06:01Z' })],
  [
    'expires before it was issued',
    grantWith({ issued: '2026-11-21T08:04:00Z', expires: '2026-11-21T08:03:00Z' }),
  ],
  ['lives longer than an hour', grantWith({ expires: '2026-11-21T09:00:01Z' })],
]

for (const [why, value] of unfit)
  t.test(`checkGrant() refuses a grant: ${why}`, async t =>
    t.rejects(checkGrant(value, { hello, now }), { name: 'RangeError', message: /^Cannot accept grant/ }),
  )

t.test('checkGrant() takes a join with a token', async t => {
  await t.resolves(checkGrant(grantWith({ kind: 'join', tokenHash: other.tokenHash }), { hello, now }))
  t.match(genesisTokenHash, /^e3b0c442/)
})

t.test('checkGrant() refuses the grant of a stranger', async t => {
  const stranger = { text: vectors.grant, signature: signText(vectors.grant, Buffer.alloc(32, 11)) }
  await t.rejects(checkGrant(stranger, { hello, now, owner }), { message: /signed by/ })
})

t.test('checkGrant() sees every altered line, because the signer becomes another', async t => {
  const { signature } = signed(vectors.grant)
  const altered = composeGrant({ ...grant, nodeIp: '192.0.2.8' })
  await t.rejects(checkGrant({ text: altered, signature }, { hello, now, owner }), { message: /signed by/ })
})
