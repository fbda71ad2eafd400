import t from 'tap'
import { canonicalBytes } from '../../protocol/canonical.ts'
import { newClaimWord, normalizeTyped } from '../../protocol/claim.ts'
import { checkHelloTime, enrollmentCode, helloHash, helloSchema, nodeIdOf } from '../../protocol/hello.ts'
import { hello, now, vectors, withField } from './sample.ts'

t.test('canonicalBytes() sorts by UTF-16 and writes numbers as RFC 8785 does', async t => {
  // The example of RFC 8785, section 3.2.2.
  const value: unknown = JSON.parse(
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
  )
  t.equal(
    Buffer.from(canonicalBytes(value)).toString(),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
})

t.test('canonicalBytes() refuses what is no JSON', async t => {
  for (const value of [undefined, NaN, Infinity, () => 1]) t.throws(() => canonicalBytes(value))
})

t.test('hash, code and node id are those of the independent program', async t => {
  t.equal(helloHash(hello), vectors.helloHash)
  t.equal(await enrollmentCode(hello), vectors.code)
  t.equal(nodeIdOf(Buffer.from(hello.identity, 'base64url')), vectors.nodeId)
})

const changes = {
  enrollment: 'A'.repeat(43),
  wireguard: `${'A'.repeat(43)}=`,
  identity: 'A'.repeat(43),
  lease: 'A'.repeat(43),
  version: '0.1.1',
  expires: '2026-11-21T08:15:01Z',
}

for (const [name, value] of Object.entries(changes))
  t.test(`changing ${name} of a hello changes hash and code`, async t => {
    const changed = helloSchema.parse(withField(hello, name, value))
    t.not(helloHash(changed), vectors.helloHash)
    t.not(await enrollmentCode(changed), vectors.code)
  })

const refused: readonly (readonly [string, object])[] = [
  ['another version', { ...hello, v: 2 }],
  ['an unknown field', { ...hello, extra: 1 }],
  ['no identity', { ...hello, identity: undefined }],
  ['a key of 31 bytes', { ...hello, enrollment: 'A'.repeat(42) }],
  ['a key of 33 bytes', { ...hello, enrollment: 'A'.repeat(44) }],
  ['base64url with bits that say nothing', { ...hello, enrollment: `${'A'.repeat(42)}B` }],
  ['base64url with padding', { ...hello, enrollment: `${'A'.repeat(43)}=` }],
  ['a WireGuard key in base64url', { ...hello, wireguard: `${'_'.repeat(43)}=` }],
  ['a WireGuard key with a second spelling', { ...hello, wireguard: `${'A'.repeat(42)}B=` }],
  ['a version with a newline', { ...hello, version: '1\n2' }],
  ['a version of 33 characters', { ...hello, version: '1'.repeat(33) }],
  ['an endorsement, which nothing uses', { ...hello, tpm: 'AQID' }],
  ['a time with fractions', { ...hello, expires: '2026-11-21T08:15:00.000Z' }],
  ['a time with an offset', { ...hello, expires: '2026-11-21T08:15:00+00:00' }],
  ['the 30th of February', { ...hello, expires: '2026-02-30T08:15:00Z' }],
  ['hour 24', { ...hello, expires: '2026-11-21T24:00:00Z' }],
]

for (const [why, value] of refused)
  t.test(`helloSchema refuses: ${why}`, async t => t.notOk(helloSchema.safeParse(value).success))

t.test('helloSchema takes the sample and a version of 32 characters', async t => {
  t.same(helloSchema.parse(hello), hello)
  t.ok(helloSchema.safeParse({ ...hello, version: '1'.repeat(32) }).success)
})

t.test('checkHelloTime() takes a hello only in its last 15 minutes', async t => {
  checkHelloTime(hello, now)
  checkHelloTime(hello, new Date('2026-11-21T08:00:00Z'))
  const late = [new Date('2026-11-21T08:15:00Z'), new Date('2026-11-21T07:59:59Z')]
  for (const time of late) t.throws(() => checkHelloTime(hello, time), { name: 'RangeError' })
})

t.test('nodeIdOf() refuses keys of other lengths', async t => {
  t.throws(() => nodeIdOf(Buffer.alloc(31)), { name: 'RangeError' })
})

const typed = [
  ['7qk4-m2xd', '7QK4M2XD'],
  [' 7QK4 M2XD\n', '7QK4M2XD'],
  ['OoIiLl', '001111'],
] as const

for (const [text, meant] of typed)
  t.test(`normalizeTyped() reads '${text.trim()}'`, async t => t.equal(normalizeTyped(text), meant))

t.test('newClaimWord() makes six characters that people can type back, always others', async t => {
  const words = Array.from({ length: 200 }, () => newClaimWord())
  for (const word of words) t.match(word, /^[0-9A-HJKMNP-TV-Z]{6}$/)
  for (const word of words) t.equal(normalizeTyped(word.toLowerCase()), word)
  t.ok(new Set(words).size > 190)
})
