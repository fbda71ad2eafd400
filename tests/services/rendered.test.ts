import t from 'tap'
import { withServiceFacts } from '../../agent/node/service-facts.ts'
import { sandboxConfig } from '../../agent/services/sandbox.ts'
import { fillSecret, visibleValues } from '../../agent/services/templates.ts'
import { chooseServices } from '../../image/services.ts'

const manifests = (await chooseServices(undefined, undefined, true)).map(one => one.manifest)
const key = (byte: number) => Buffer.alloc(32, byte).toString('base64')
const nodes = ['naaaaaaaaaaaaaaaa', 'nbbbbbbbbbbbbbbbb', 'ncccccccccccccccc']
const cluster = '0123456789abcdef0123456789abcdef'

type Situation = { readonly peers: number; readonly nameservers: readonly string[] }

/** What the first node gives a service in a cluster with so many other nodes. */
async function rendered(name: string, { peers, nameservers }: Situation) {
  const manifest = manifests.find(m => m.name === name)
  if (manifest === undefined) throw new Error(`there is no ${name}`)
  const peerAt = (n: number) => ({
    name: `p${n}`,
    publicKey: key(n),
    address: `10.0.0.${n + 1}`,
    nodeId: nodes[n] ?? '',
  })
  const all = Array.from({ length: peers }, (_, index) => peerAt(index + 1))
  const wireguard = { privateKey: key(9), address: '10.0.0.1', prefix: 24, listenPort: 51_820, peers: [] }
  const record = { nodeId: nodes[0] ?? '', cluster, wireguard }
  const dataDir = `/opt/orama/.orama/data/${name}`
  const from = { record, peers: all, clusterSecret: Buffer.alloc(32, 7), nameservers }
  return withServiceFacts(manifest, from, async facts => {
    const open = { ...facts.open, dataDir, configDir: '/run/config' }
    const values = visibleValues(manifest.lists, open, facts.sources)
    const texts = Object.entries(manifest.files).map(([file, { text }]) => [
      file,
      fillSecret(text, values, facts.secrets).toString(),
    ])
    const places = {
      root: '/r',
      dataDir,
      configFolder: '/c',
      dataDevice: { major: 253, minor: 1 },
      socketFolder: '/s',
    }
    const { process } = sandboxConfig(manifest, places, values)
    return {
      files: Object.fromEntries(texts) as Record<string, string>,
      args: process.args.slice(1),
      visible: JSON.stringify(process),
      secrets: Object.values(facts.secrets).map(bytes => Buffer.from(bytes).toString()),
    }
  })
}

const alone: Situation = { peers: 0, nameservers: [] }
const together: Situation = { peers: 2, nameservers: ['192.0.2.1', '192.0.2.2'] }

for (const { name } of manifests)
  for (const [where, situation] of Object.entries({ alone, together }))
    t.test(`${name}, ${where}: everything is filled, and no secret can be seen`, async t => {
      const { files, visible, secrets } = await rendered(name, situation)
      t.notMatch(JSON.stringify(files), /\$\{/)
      t.notMatch(visible, /\$\{/)
      for (const secret of secrets) t.notOk(visible.includes(secret))
    })

t.test('rqlite starts alone without peers and joins those that are there', async t => {
  const { args } = await rendered('rqlite', alone)
  t.same(
    args.filter(word => /join=|bootstrap/.test(word)),
    [],
  )
  t.ok(args.every(word => word !== ''))
  t.same(
    (await rendered('rqlite', together)).args.filter(word => /join=|bootstrap/.test(word)),
    ['-join=10.0.0.2:10101,10.0.0.3:10101', '-bootstrap-expect=1000'],
  )
})

t.test('rqlite: everybody but the user may only ask whether it is ready', async t => {
  const { files, secrets } = await rendered('rqlite', alone)
  t.same(JSON.parse(files['auth.json'] ?? ''), [
    { username: 'orama', password: secrets[0], perms: ['all'] },
    { username: '*', perms: ['ready'] },
  ])
})

const olric = [
  ['alone', alone, '  peers: []'],
  ['together', together, '  peers: ["10.0.0.2:10103", "10.0.0.3:10103"]'],
] as const
for (const [where, situation, line] of olric)
  t.test(`olric, ${where}: its members are the other nodes, and it has a password`, async t => {
    const { files, secrets } = await rendered('olric', situation)
    const lines = (files['olric.yaml'] ?? '').split('\n')
    t.ok(lines.includes(line))
    t.ok(lines.includes(`  password: "${secrets[0] ?? ''}"`))
    t.equal(lines.filter(l => l.endsWith('bindAddr: 10.0.0.1')).length, 2)
  })

t.test('kubo is a private swarm of the other nodes, and calls nobody else', async t => {
  const { files, secrets } = await rendered('kubo', together)
  const [password = '', clusterKey = '', libp2pKey = ''] = secrets
  const config = JSON.parse(files['config'] ?? '') as Record<string, unknown>
  t.match(config, {
    Identity: { PeerID: /^12D3KooW/, PrivKey: libp2pKey },
    API: { Authorizations: { orama: { AuthSecret: `basic:orama:${password}`, AllowedPaths: ['/api/v0'] } } },
    Addresses: { Swarm: ['/ip4/10.0.0.1/tcp/10107'], API: '/ip4/10.0.0.1/tcp/4101', Gateway: [] },
    Bootstrap: [],
    Routing: { Type: 'none', DelegatedRouters: [] },
    Discovery: { MDNS: { Enabled: false } },
    AutoConf: { Enabled: false },
    AutoTLS: { Enabled: false },
    Version: { SwarmCheckEnabled: false },
    Plugins: { Plugins: { telemetry: { Disabled: true } } },
  })
  const { Peers } = config['Peering'] as { Peers: { ID: string; Addrs: string[] }[] }
  t.same(
    Peers.map(p => p.Addrs),
    [['/ip4/10.0.0.2/tcp/10107'], ['/ip4/10.0.0.3/tcp/10107']],
  )
  t.equal(new Set(Peers.map(p => p.ID)).size, 2)
  t.equal(files['swarm.key'], `/key/swarm/psk/1.0.0/\n/base16/\n${clusterKey}\n`)
})

t.test('kubo: what it is told of its store agrees with the settings, or it would not start', async t => {
  const { files } = await rendered('kubo', alone)
  const config = JSON.parse(files['config'] ?? '') as {
    Peering: unknown
    Datastore: { Spec: { mounts: Record<string, unknown>[] } }
  }
  t.same(config.Peering, { Peers: [] })
  const spec = JSON.parse(files['datastore_spec'] ?? '') as { mounts: Record<string, unknown>[] }
  t.equal(spec.mounts.length, config.Datastore.Spec.mounts.length)
  for (const [index, mount] of spec.mounts.entries()) t.match(config.Datastore.Spec.mounts[index], mount)
})

t.test('coredns knows this node and the others', async t => {
  const zone = (await rendered('coredns', together)).files['node.zone'] ?? ''
  t.match(zone, `$ORIGIN node.${cluster}.\n`)
  for (const [index, nodeId] of nodes.entries())
    t.ok(zone.split('\n').includes(`${nodeId} IN A 10.0.0.${index + 1}`), nodeId)
})

const forwards = [
  ['nobody without servers', alone, []],
  ['those that the node was given', together, ['  forward . 192.0.2.1 192.0.2.2 {']],
] as const
for (const [what, situation, expected] of forwards)
  t.test(`coredns asks ${what}, for this node alone`, async t => {
    const lines = ((await rendered('coredns', situation)).files['Corefile'] ?? '').split('\n')
    t.same(
      lines.filter(line => line.includes('forward')),
      expected,
    )
    const acl = lines.indexOf('  acl {')
    t.same(lines.slice(acl + 1, acl + 4), ['    allow net 127.0.0.0/8 10.0.0.1/32', '    block', '  }'])
    t.ok(acl > lines.indexOf('.:53 {'))
  })

t.test(
  'only coredns and the gateway may bind low ports; who may call what outside is named here',
  async t => {
    const usual: readonly string[] = ['wireguard']
    const special = manifests.filter(
      m => m.capabilities.length > 0 || m.egress.some(egress => !usual.includes(egress)),
    )
    t.same(
      special.map(m => [m.name, m.capabilities, m.egress]),
      [
        ['coredns', ['CAP_NET_BIND_SERVICE'], ['dns']],
        ['gateway', ['CAP_NET_BIND_SERVICE'], ['agents', 'public']],
      ],
    )
  },
)
