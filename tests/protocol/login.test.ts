import t from 'tap'
import { type Challenge, checkChallenge, checkLogin, composeLogin, parseLogin } from '../../protocol/login.ts'
import { addressOf, publicKeyOf, signText } from '../../protocol/wallet.ts'
import { highTwin, now, vectors } from './sample.ts'

const key = Buffer.alloc(32, 10)
const stranger = Buffer.alloc(32, 11)
const address = addressOf(publicKeyOf(key))
const challenge: Challenge = {
  cluster: '0a'.repeat(16),
  audience: 'https://gateway.example',
  address,
  nonce: Buffer.alloc(32, 7).toString('base64url'),
  issued: '2026-11-21T08:00:00Z',
  expires: '2026-11-21T08:05:00Z',
}
const text = [
  'OramaOS operator login v1',
  `cluster: ${challenge.cluster}`,
  'audience: https://gateway.example',
  `address: ${address}`,
  'nonce: BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc',
  'issued: 2026-11-21T08:00:00Z',
  'expires: 2026-11-21T08:05:00Z',
].join('\n')
const expected = { cluster: challenge.cluster, audience: challenge.audience, now }
const signed = (change: Partial<Challenge> = {}, by = key) => {
  const changed = composeLogin({ ...challenge, ...change })
  return { text: changed, signature: signText(changed, by) }
}

t.test('a login has one text', async t => {
  t.equal(composeLogin(challenge), text)
  t.same(parseLogin(text), challenge)
})

t.test('both sides take what the other made', async t => {
  t.same(checkLogin(signed(), expected), challenge)
  t.doesNotThrow(() => checkChallenge(challenge, { ...expected, address }))
  const ahead = { issued: '2026-11-21T08:02:00Z', expires: '2026-11-21T08:07:00Z' }
  t.doesNotThrow(() => checkLogin(signed(ahead), expected), 'a clock a minute ahead')
})

const line = (from: string | RegExp, to: string) => text.replace(from, to)
const misread: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['a grant', vectors.grant],
  ['another first line', line('login v1', 'login v2')],
  ['a newline at the end', `${text}\n`],
  ['carriage returns', text.replaceAll('\n', '\r\n')],
  ['a missing line', line(/\nnonce: .*/, '')],
  ['a line twice', line('\nissued: ', '\nissued: 2026-11-21T08:00:00Z\nissued: ')],
  ['a line too many', `${text}\nuri: x`],
  ['lines in another order', line(/(\ncluster: .*)(\naudience: .*)/, '$2$1')],
  ['two spaces after a colon', line('cluster: ', 'cluster:  ')],
  ['a cluster in upper case', line('0a0a', '0A0A')],
  ['an address in lower case', line(address, address.toLowerCase())],
  ['a gateway without TLS', line('https:', 'http:')],
  ['a gateway with a path', line('gateway.example', 'gateway.example/x')],
  ['a gateway with a slash at its end', line('gateway.example', 'gateway.example/')],
  ['a gateway in upper case', line('gateway.example', 'Gateway.example')],
  ['a gateway with its default port', line('gateway.example', 'gateway.example:443')],
  ['a gateway with a user', line('gateway.example', 'user@gateway.example')],
  ['a nonce too short', line('nonce: BwcH', 'nonce: ')],
  ['a nonce of another spelling', line(/Bwc\n/, 'Bwd\n')],
  ['no such date', line('2026-11-21T08:00:00Z', '2026-11-31T08:00:00Z')],
  ['2 KiB', `${text}${'x'.repeat(2048)}`],
]

for (const [why, value] of misread)
  t.test(`parseLogin() refuses: ${why}`, async t =>
    t.throws(() => parseLogin(value), { name: 'SyntaxError' }),
  )

const misplaced: readonly (readonly [string, Partial<Challenge>, RegExp])[] = [
  ['another cluster', { cluster: '0b'.repeat(16) }, /another cluster/],
  ['another gateway', { audience: 'https://other.example' }, /another gateway/],
  ['another port of the gateway', { audience: 'https://gateway.example:8443' }, /another gateway/],
  ['the past', { issued: '2026-11-21T07:56:00Z', expires: '2026-11-21T08:01:00Z' }, /has expired/],
  ['the future', { issued: '2026-11-21T08:02:01Z', expires: '2026-11-21T08:07:00Z' }, /issued in the future/],
  ['too long a time', { expires: '2026-11-21T08:05:01Z' }, /at most 5 minutes/],
  [
    'a time that ends before it begins',
    { issued: '2026-11-21T08:01:30Z', expires: '2026-11-21T08:01:20Z' },
    /at most/,
  ],
]

for (const [why, change, message] of misplaced) {
  t.test(`checkLogin() refuses a login for ${why}`, async t =>
    t.throws(() => checkLogin(signed(change), expected), { name: 'RangeError', message }),
  )
  t.test(`checkChallenge() refuses a challenge for ${why}, before it is signed`, async t =>
    t.throws(() => checkChallenge({ ...challenge, ...change }, { ...expected, address }), {
      name: 'RangeError',
      message,
    }),
  )
}

const misSigned: readonly (readonly [string, ReturnType<typeof signed>])[] = [
  ['by another wallet', signed({}, stranger)],
  ['for another wallet', signed({ address: addressOf(publicKeyOf(stranger)) })],
  ['over another nonce', { ...signed(), text: composeLogin({ ...challenge, nonce: 'A'.repeat(43) }) }],
  ['in the high-s twin', { text, signature: highTwin(signText(text, key)) }],
  ['with nothing', { text, signature: `0x${'0'.repeat(128)}1b` }],
]

for (const [why, value] of misSigned)
  t.test(`checkLogin() refuses a login signed ${why}`, async t =>
    t.throws(() => checkLogin(value, expected), { name: 'RangeError' }),
  )

t.test('checkChallenge() refuses a challenge for another wallet', async t =>
  t.throws(() => checkChallenge(challenge, { ...expected, address: addressOf(publicKeyOf(stranger)) }), {
    name: 'RangeError',
    message: /another wallet/,
  }),
)
