import t from 'tap'
import { checkRecord, macRecord } from '../../protocol/record.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { publicKeyOf, signText } from '../../protocol/wallet.ts'
import { joinRecord } from './cluster/sample.ts'
import { hello, hexBytes, tampered, vectors, withField } from './sample.ts'

const owner = hexBytes(vectors.escrow.ownerPrivate)
const key = Buffer.alloc(32, 1)
const record: NodeRecord = {
  v: 1,
  revision: 3,
  nodeId: vectors.nodeId,
  cluster: 'a'.repeat(32),
  owner: vectors.escrow.meta.owner,
  ownerPublicKey: Buffer.from(publicKeyOf(owner)).toString('base64url'),
  grant: { text: vectors.grant, signature: signText(vectors.grant, owner) },
  hello,
  wireguard: {
    privateKey: Buffer.alloc(32, 7).toString('base64'),
    address: '10.0.0.1',
    prefix: 24,
    listenPort: 51820,
    peers: [],
  },
  identityPrivate: hexBytes(vectors.identityPrivate).toString('base64url'),
  agentToken: 'ab'.repeat(32),
  luksUuid: vectors.escrow.meta.luksUuid,
  authority: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  membership: { members: [], departures: [] },
  endpoints: [],
  sharesKey: 'B'.repeat(42) + 'A',
  openings: { current: { kind: 'escrow', keyslot: 0, number: 1 } },
  enrolledAt: '2026-11-21T08:02:00Z',
  lastOrder: 0,
}
const signed = macRecord(record, key)

t.test('checkRecord() returns what macRecord() was given, also after JSON', async t => {
  t.same(checkRecord(JSON.parse(JSON.stringify(signed)), key), record)
})

const changes: Readonly<Record<string, unknown>> = {
  revision: 4,
  nodeId: 'naaaaaaaaaaaaaaaa',
  cluster: 'b'.repeat(32),
  owner: '0x52908400098527886E0F7030069857D2E4169EE7',
  ownerPublicKey: Buffer.from(publicKeyOf(Buffer.alloc(32, 11))).toString('base64url'),
  grant: { ...record.grant, text: `${vectors.grant}x` },
  hello: { ...hello, version: '0.1.1' },
  wireguard: { ...record.wireguard, address: '10.0.0.2' },
  identityPrivate: 'A'.repeat(43),
  agentToken: 'b'.repeat(64),
  luksUuid: '11234567-89ab-4cde-8f01-23456789abcd',
  authority: '0x52908400098527886E0F7030069857D2E4169EE7',
  membership: { members: [joinRecord()], departures: [] },
  endpoints: [
    {
      cluster: 'b'.repeat(32),
      node: 'naaaaaaaaaaaaaaaa',
      number: 1,
      endpoint: '192.0.2.7:51820',
      signature: 'A'.repeat(86),
    },
  ],
  sharesKey: 'A'.repeat(43),
  openings: { current: { kind: 'escrow', keyslot: 1, number: 1 } },
  enrolledAt: '2026-11-21T08:02:01Z',
  lastOrder: 1,
}

t.test('every field of a record but its version is tried below', async t => {
  t.same([...Object.keys(changes), 'v'].sort(), Object.keys(record).sort())
})

for (const [name, value] of Object.entries(changes))
  t.test(`checkRecord() refuses an altered ${name}`, async t => {
    const altered = { ...signed, record: withField(record, name, value) }
    t.throws(() => checkRecord(altered, key), { name: 'RangeError', message: /altered/ })
  })

t.test('checkRecord() refuses another MAC, another key, a key that is too short', async t => {
  t.throws(() => checkRecord({ ...signed, mac: tampered(signed.mac) }, key), { name: 'RangeError' })
  t.throws(() => checkRecord(signed, Buffer.alloc(32, 2)), { name: 'RangeError' })
  t.throws(() => checkRecord(signed, Buffer.alloc(16)), { message: /need 32/ })
})

const malformed: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['no MAC', { record }],
  ['an unknown field', { ...signed, record: { ...record, shell: '/bin/sh' } }],
  ['a later version', { ...signed, record: { ...record, v: 2 } }],
  ['a revision that JSON would round', { ...signed, record: { ...record, revision: 2 ** 53 } }],
  [
    'a peer outside the network',
    {
      ...signed,
      record: withField(record, 'wireguard', {
        ...record.wireguard,
        peers: [{ name: 'x', publicKey: hello.wireguard, address: '10.1.0.2' }],
      }),
    },
  ],
]

for (const [why, value] of malformed)
  t.test(`checkRecord() refuses: ${why}`, async t =>
    t.throws(() => checkRecord(value, key), { name: 'ZodError' }),
  )
