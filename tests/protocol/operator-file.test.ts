import t from 'tap'
import { parseOperatorFile } from '../../protocol/operator-file.ts'

const full = {
  v: 1,
  owner: '0x52908400098527886e0f7030069857d2e4169ee7',
  gateway: 'https://gateway.example/',
  network: { address: '192.0.2.7/24', gateway: '192.0.2.1', dns: ['192.0.2.53'], interface: 'eth0' },
  ntp: ['pool.ntp.org', '192.0.2.123'],
  hints: ['peer.example:51820', '192.0.2.9:51820'],
}

t.test('parseOperatorFile() reads a full file, the owner in its one spelling', async t => {
  const owner = '0x52908400098527886E0F7030069857D2E4169EE7'
  t.same(parseOperatorFile(JSON.stringify(full)), { ...full, owner })
})

t.test('parseOperatorFile() reads the least', async t => {
  t.same(parseOperatorFile('{"v":1}'), { v: 1 })
  t.same(
    parseOperatorFile('{"v":1,"network":{"address":"10.1.1.2/8","gateway":"10.0.0.1"}}').network?.dns,
    [],
  )
})

t.test('parseOperatorFile() takes a MAC address as interface', async t => {
  const network = { ...full.network, interface: '52:54:00:12:34:56' }
  t.equal(parseOperatorFile(JSON.stringify({ v: 1, network })).network?.interface, '52:54:00:12:34:56')
})

const network = (change: object) => ({ ...full, network: { ...full.network, ...change } })
const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ['no version', {}, /v: /],
  ['a later version', { ...full, v: 2 }, /v: /],
  ['a misspelt key', { ...full, onwer: full.owner }, /onwer/],
  [
    'an owner with a digit wrong',
    { ...full, owner: '0x52908400098527886E0F7030069857D2E4169EE8a' },
    /owner: /,
  ],
  ['an owner that is null', { ...full, owner: null }, /owner: /],
  ['an owner that is empty', { ...full, owner: '' }, /owner: /],
  ['a gateway without TLS', { ...full, gateway: 'http://gateway.example' }, /gateway: /],
  ['a gateway with a password', { ...full, gateway: 'https://a:b@gateway.example' }, /gateway: /],
  ['an address without prefix', network({ address: '192.0.2.7' }), /network\.address: /],
  ['prefix 33', network({ address: '192.0.2.7/33' }), /network\.address: /],
  ['prefix 0', network({ address: '192.0.2.7/0' }), /network\.address: /],
  ['a gateway by name', network({ gateway: 'router' }), /network\.gateway: /],
  ['five name servers', network({ dns: Array(5).fill('192.0.2.53') }), /network\.dns: /],
  ['a bad name server', network({ dns: ['192.0.2.53', 'x'] }), /network\.dns\.1: /],
  ['an interface with a slash', network({ interface: '../eth0' }), /network\.interface: /],
  ['nine time servers', { ...full, ntp: Array(9).fill('a.example') }, /ntp: /],
  ['a time server with a space', { ...full, ntp: ['a b'] }, /ntp\.0: /],
  ['an address like a name', { ...full, ntp: ['192.0.2.300'] }, /ntp\.0: /],
  ['a hint without port', { ...full, hints: ['a.example'] }, /hints\.0: /],
  ['33 hints', { ...full, hints: Array(33).fill('a.example:1') }, /hints: /],
  ['a list', [], /file: /],
]

for (const [why, value, message] of refused)
  t.test(`parseOperatorFile() refuses, naming the key: ${why}`, async t =>
    t.throws(() => parseOperatorFile(JSON.stringify(value)), { name: 'SyntaxError', message }),
  )

t.test('parseOperatorFile() refuses what is no JSON, cut off or too long', async t => {
  for (const text of ['', '{', '{"v":1}x', '\u0000'])
    t.throws(() => parseOperatorFile(text), { message: /not JSON/ })
  t.throws(() => parseOperatorFile(`{"v":1}${' '.repeat(16_384)}`), { message: /16 KiB/ })
})
