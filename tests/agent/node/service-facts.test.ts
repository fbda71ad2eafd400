import t from 'tap'
import { withServiceFacts } from '../../../agent/node/service-facts.ts'
import type { ServiceFacts } from '../../../agent/services/crun.ts'
import { servicePassword } from '../../../protocol/cluster-secret.ts'

const clusterSecret = Buffer.alloc(32, 7)
const [own, other] = ['naaaaaaaaaaaaaaaa', 'nbbbbbbbbbbbbbbbb']
const key = (byte: number) => Buffer.alloc(32, byte).toString('base64')
const operator = { name: 'operator', publicKey: key(1), address: '10.0.0.250' }
const wireguard = { privateKey: key(3), address: '10.0.0.1', prefix: 24, listenPort: 51_820 }
const record = {
  nodeId: own,
  cluster: '0123456789abcdef0123456789abcdef',
  wireguard: { ...wireguard, peers: [operator] },
}
const peers = [operator, { name: 'two', publicKey: key(2), address: '10.0.0.2', nodeId: other }]
const nameservers = ['192.0.2.53', '127.0.0.1', '10.0.0.1', '0.0.0.0', '192.0.2.53', '127.1.2.3']
const sources = { record, peers, clusterSecret, nameservers }

/** What the facts of a service say, with secrets as text. */
async function told(name: string, from = sources, requires: readonly string[] = []) {
  return withServiceFacts({ name, requires: [...requires] }, from, async (facts: ServiceFacts) => {
    const secrets = Object.entries(facts.secrets).map(([name, bytes]) => [
      name,
      Buffer.from(bytes).toString(),
    ])
    return { ...facts, secrets: Object.fromEntries(secrets) as Record<string, string> }
  })
}

t.test('an operator is no peer of services, a node is', async t => {
  const { peers, members } = (await told('kubo')).sources
  t.same(
    peers.map(p => [p.itemNodeId, p.itemAddress]),
    [[other, '10.0.0.2']],
  )
  t.same(
    members.map(p => [p.itemNodeId, p.itemAddress]),
    [
      [own, '10.0.0.1'],
      [other, '10.0.0.2'],
    ],
  )
})

t.test('DNS servers are those outside, each once', async t =>
  t.same((await told('coredns')).sources.nameservers, [{ itemAddress: '192.0.2.53' }]),
)

t.test('the password is what the operator has; keys are text of the form that programs read', async t => {
  const { secrets } = await told('kubo')
  t.equal(secrets['password'], servicePassword(clusterSecret, 'kubo'))
  t.match(secrets['clusterKey'], /^[0-9a-f]{64}$/)
  t.match(secrets['libp2pKey'], /^CAES[A-Za-z0-9+/]{87}=$/)
})

t.test('a service is told the passwords of what it requires, and of no other', async t => {
  const { secrets } = await told('gateway', sources, ['rqlite', 'olric'])
  t.equal(secrets['password:rqlite'], servicePassword(clusterSecret, 'rqlite'))
  t.equal(secrets['password:olric'], servicePassword(clusterSecret, 'olric'))
  t.notOk('password:kubo' in secrets)
  t.notOk(Object.keys((await told('kubo')).secrets).some(name => name.includes(':')))
})

t.test('each node knows the libp2p id of the other as the other knows its own', async t => {
  const swapped = {
    ...record,
    nodeId: other,
    wireguard: { ...wireguard, address: '10.0.0.2', peers: [] },
  }
  const one = { name: 'one', publicKey: key(4), address: '10.0.0.1', nodeId: own }
  const here = await told('kubo')
  const there = await told('kubo', { ...sources, record: swapped, peers: [one] })
  t.equal(here.sources.peers[0]?.itemLibp2pId, there.open.libp2pId)
  t.equal(there.sources.peers[0]?.itemLibp2pId, here.open.libp2pId)
  t.equal(here.secrets['clusterKey'], there.secrets['clusterKey'])
  t.not(here.secrets['libp2pKey'], there.secrets['libp2pKey'])
})

t.test('secrets are wiped at the end of the loan, whichever way that comes', async t => {
  const kept: Uint8Array[] = []
  const failing = withServiceFacts({ name: 'kubo', requires: ['rqlite'] }, sources, async ({ secrets }) => {
    kept.push(...Object.values(secrets))
    throw new Error('disk is full')
  })
  await t.rejects(failing, { message: 'disk is full' })
  t.equal(kept.length, 4)
  t.ok(kept.every(bytes => bytes.length > 0 && bytes.every(byte => byte === 0)))
})

t.test('a cluster secret of a wrong length is refused', async t =>
  t.rejects(told('kubo', { ...sources, clusterSecret: Buffer.alloc(31, 7) }), { name: 'RangeError' }),
)
