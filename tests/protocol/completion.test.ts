import t from 'tap'
import {
  acknowledgementSchema,
  completionBytesMax,
  completionSchema,
  enrollmentConfigSchema,
  signAcknowledgement,
  verifyAcknowledgement,
} from '../../protocol/completion.ts'
import { hello, hexBytes, tampered, vectors, withField } from './sample.ts'

const identity = hexBytes(vectors.identityPrivate)
const expected = { hello, owner: vectors.escrow.meta.owner, cluster: vectors.escrow.meta.cluster }
const acknowledgement = acknowledgementSchema.parse(vectors.acknowledgement)
const { signature, ...facts } = acknowledgement

t.test('signAcknowledgement() signs as the independent program does', async t => {
  t.equal(signAcknowledgement(facts, identity).signature, signature)
})

t.test('verifyAcknowledgement() takes what the node of the hello signed', async t => {
  t.same(verifyAcknowledgement(vectors.acknowledgement, expected), acknowledgement)
})

const changes: Readonly<Record<string, unknown>> = {
  v: 2,
  nodeId: 'naaaaaaaaaaaaaaaa',
  hello: 'f'.repeat(64),
  owner: '0x52908400098527886E0F7030069857D2E4169EE7',
  cluster: 'f'.repeat(32),
  luksUuid: '11234567-89ab-4cde-8f01-23456789abcd',
  agentToken: 'f'.repeat(64),
  wireguard: { publicKey: hello.wireguard, address: '10.0.0.2' },
  signature: tampered(signature),
}

t.test('every field of an acknowledgement is tried below', async t => {
  t.same(Object.keys(changes).sort(), Object.keys(acknowledgement).sort())
})

for (const [name, value] of Object.entries(changes))
  t.test(`verifyAcknowledgement() refuses an altered ${name}`, async t =>
    t.throws(() => verifyAcknowledgement(withField(acknowledgement, name, value), expected)),
  )

const signedWrong = [
  ['node id', { nodeId: 'naaaaaaaaaaaaaaaa' }],
  ['hello', { hello: 'f'.repeat(64) }],
  ['owner', { owner: '0x52908400098527886E0F7030069857D2E4169EE7' }],
  ['cluster', { cluster: 'f'.repeat(32) }],
  ['WireGuard key', { wireguard: { publicKey: `${'A'.repeat(43)}=`, address: '10.0.0.1' } }],
] as const

for (const [name, change] of signedWrong)
  t.test(`verifyAcknowledgement() refuses another ${name} although the node signed it`, async t =>
    t.throws(() => verifyAcknowledgement(signAcknowledgement({ ...facts, ...change }, identity), expected), {
      message: `Cannot accept acknowledgement: another ${name}`,
    }),
  )

t.test('verifyAcknowledgement() refuses the signature of another identity', async t => {
  t.throws(() => verifyAcknowledgement(signAcknowledgement(facts, Buffer.alloc(32, 1)), expected), {
    message: /not signed/,
  })
})

const peer = { name: 'operator', publicKey: hello.wireguard, address: '10.0.0.254' }
const wireguard = { address: '10.0.0.1', prefix: 24, listenPort: 51820, peers: [peer] }
const clusterSecret = Buffer.alloc(32, 5).toString('base64url')
const config = { v: 1, cluster: 'a'.repeat(32), clusterSecret, wireguard }
const keyOf = (n: number) => Buffer.alloc(32, n).toString('base64')

const withPeer = (change: object) => ({
  ...config,
  wireguard: { ...wireguard, peers: [{ ...peer, ...change }] },
})

t.test('enrollmentConfigSchema takes a peer that is a node', async t =>
  t.ok(enrollmentConfigSchema.safeParse(withPeer({ nodeId: 'naaaaaaaaaaaaaaaa' })).success),
)

t.test('enrollmentConfigSchema takes a full configuration and one without peers', async t => {
  t.same(enrollmentConfigSchema.parse(config), config)
  t.ok(enrollmentConfigSchema.safeParse({ ...config, wireguard: { ...wireguard, peers: [] } }).success)
})

const withPeers = (...peers: object[]) => ({ ...config, wireguard: { ...wireguard, peers } })
const refused: readonly (readonly [string, object])[] = [
  ['a claim word', { ...config, claim: '9TB3VA' }],
  ['no cluster secret', { ...config, clusterSecret: undefined }],
  ['a cluster secret of 31 bytes', { ...config, clusterSecret: Buffer.alloc(31).toString('base64url') }],
  ['a PostUp line', { ...config, wireguard: { ...wireguard, postUp: 'reboot' } }],
  ['a private key: the node has its own', { ...config, wireguard: { ...wireguard, privateKey: keyOf(1) } }],
  ['a peer with routes', withPeer({ allowedIps: '0.0.0.0/0' })],
  ['a peer address with a prefix', withPeer({ address: '10.0.0.254/24' })],
  ['a peer outside the network', withPeer({ address: '10.0.1.254' })],
  ['a peer with the own address', withPeer({ address: '10.0.0.1' })],
  ['two peers with one key', withPeers(peer, { ...peer, name: 'b', address: '10.0.0.2' })],
  ['two peers with one address', withPeers(peer, { ...peer, name: 'b', publicKey: keyOf(3) })],
  [
    'two peers with one node id',
    withPeers(
      { ...peer, nodeId: 'naaaaaaaaaaaaaaaa' },
      { name: 'b', publicKey: keyOf(3), address: '10.0.0.2', nodeId: 'naaaaaaaaaaaaaaaa' },
    ),
  ],
  ['a peer with a node id that is none', withPeer({ nodeId: 'n1' })],
  ['two peers with one name', withPeers(peer, { ...peer, publicKey: keyOf(3), address: '10.0.0.2' })],
  ['a peer name with a newline', withPeer({ name: 'a\nb' })],
  ['an endpoint without port', withPeer({ endpoint: '192.0.2.1' })],
  ['an endpoint with port 0', withPeer({ endpoint: '192.0.2.1:0' })],
  ['an endpoint with port 65536', withPeer({ endpoint: '192.0.2.1:65536' })],
  ['an endpoint by name', withPeer({ endpoint: 'example.net:51820' })],
  ['257 peers', withPeers(...Array.from({ length: 257 }, () => peer))],
  ['prefix 8', { ...config, wireguard: { ...wireguard, prefix: 8 } }],
  ['port 0', { ...config, wireguard: { ...wireguard, listenPort: 0 } }],
]

for (const [why, value] of refused)
  t.test(`enrollmentConfigSchema refuses: ${why}`, async t =>
    t.notOk(enrollmentConfigSchema.safeParse(value).success),
  )

t.test('the largest configuration fits into the largest body', async t => {
  const peers = Array.from({ length: 256 }, (_, at) => ({
    name: `peer-${at}`.padEnd(16, 'x'),
    publicKey: Buffer.alloc(32, at).toString('base64'),
    address: `10.0.${1 + (at >> 7)}.${at & 127}`,
    endpoint: '203.203.203.203:51820',
    nodeId: `n${'abcdefghijklmnop'.charAt(at >> 4)}${'abcdefghijklmnop'.charAt(at & 15)}`.padEnd(17, 'z'),
  }))
  const full = { ...config, wireguard: { ...wireguard, prefix: 16, peers } }
  t.ok(enrollmentConfigSchema.safeParse(full).success)
  const box = Buffer.alloc(JSON.stringify(full).length + 28).toString('base64url')
  const text = vectors.grant
  const body = { v: 1, grant: { text, signature: `0x${'a'.repeat(130)}` }, ephemeral: hello.enrollment, box }
  t.ok(completionSchema.safeParse(body).success)
  t.ok(JSON.stringify(body).length <= completionBytesMax)
})
