import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'
import { applyFirewall, firewallRules, type FirewallState } from '../../../agent/network/firewall.ts'

const blank: FirewallState = { enrollmentOpen: true, dhcp: true, outsideTcp: [443], services: [] }
const rqlite = {
  name: 'rqlite',
  uid: 1001,
  ports: [
    { port: 10_101, protocol: 'tcp', on: 'wireguard' },
    { port: 10_100, protocol: 'tcp', on: 'wireguard' },
  ],
  requires: [],
  egress: ['wireguard'],
} as const
const names = {
  name: 'coredns',
  uid: 1006,
  ports: [
    { port: 53, protocol: 'udp', on: 'wireguard' },
    { port: 8080, protocol: 'tcp', on: 'loopback' },
  ],
  requires: ['rqlite'],
  egress: ['dns'],
} as const
const gateway = {
  name: 'gateway',
  uid: 1008,
  ports: [{ port: 443, protocol: 'tcp', on: 'public' }],
  requires: ['rqlite'],
  egress: ['agents', 'public'],
} as const
const enrolled: FirewallState = {
  enrollmentOpen: false,
  dhcp: false,
  outsideTcp: [],
  wireguard: { address: '10.0.0.1', prefix: 24, listenPort: 51_820 },
  services: [rqlite, names],
}

/** The rules of one chain. */
function chain(state: FirewallState, hook: string): string[] {
  const lines = firewallRules(state).split('\n')
  const start = lines.indexOf(`  chain ${hook} {`)
  return lines.slice(start + 2, lines.indexOf('  }', start)).map(line => line.trim())
}

t.test('every chain drops what no rule accepts, and the table is replaced as a whole', async t => {
  const text = firewallRules(blank)
  t.equal(text.match(/policy drop;/g)?.length, 3)
  t.ok(text.startsWith('table ip orama\ndelete table ip orama\ntable ip orama {\n'))
  t.ok(text.endsWith('\n}\n'), 'nft wants a newline before the last brace')
  t.same(chain(enrolled, 'forward'), [])
})

const present = [
  ['9999 is open until enrolled', blank, 'input', 'iifname != { "lo", "wg0" } tcp dport 9999 accept'],
  ['WireGuard is open once enrolled', enrolled, 'input', 'iifname != { "lo", "wg0" } udp dport 51820 accept'],
  [
    'the agent listens to peers',
    enrolled,
    'input',
    'iifname "wg0" ip saddr 10.0.0.0/24 ip daddr 10.0.0.1 tcp dport { 9997, 9998 } accept',
  ],
  [
    'services listen to peers',
    enrolled,
    'input',
    'iifname "wg0" ip saddr 10.0.0.0/24 ip daddr 10.0.0.1 tcp dport { 10100, 10101 } accept',
  ],
  [
    'UDP has its own rule',
    enrolled,
    'input',
    'iifname "wg0" ip saddr 10.0.0.0/24 ip daddr 10.0.0.1 udp dport { 53 } accept',
  ],
  ['DHCP answers come in', blank, 'input', 'iifname != { "lo", "wg0" } udp sport 67 udp dport 68 accept'],
  ['only root asks DNS and SNTP', blank, 'output', 'meta skuid 0 udp dport { 53, 123 } accept'],
  ['only root calls the gateway', blank, 'output', 'meta skuid 0 tcp dport { 443 } accept'],
  [
    'the cluster network never leaves by the cable',
    enrolled,
    'output',
    'ip daddr 10.0.0.0/24 oifname != { "lo", "wg0" } drop',
  ],
  [
    'a service calls its own kind',
    enrolled,
    'output',
    'meta skuid 1001 oifname "wg0" ip daddr 10.0.0.0/24 tcp dport { 10100, 10101 } accept',
  ],
  [
    'a service calls what it requires',
    enrolled,
    'output',
    'meta skuid 1006 oifname "lo" ip daddr { 127.0.0.0/8, 10.0.0.1 } tcp dport { 8080, 10100, 10101 } accept',
  ],
  [
    'a service does not call what it does not require',
    enrolled,
    'output',
    'meta skuid 1001 oifname "lo" ip daddr { 127.0.0.0/8, 10.0.0.1 } tcp dport { 10100, 10101 } accept',
  ],
  [
    'a service with that egress asks DNS outside, by UDP',
    enrolled,
    'output',
    'meta skuid 1006 oifname != { "lo", "wg0" } udp dport 53 accept',
  ],
  [
    'a service with that egress asks DNS outside, by TCP',
    enrolled,
    'output',
    'meta skuid 1006 oifname != { "lo", "wg0" } tcp dport 53 accept',
  ],
  [
    "nobody but the agent answers from the agent's ports",
    blank,
    'output',
    'tcp sport { 9997, 9998 } meta skuid != 0 drop',
  ],
  [
    "nobody but a service answers from the service's ports",
    enrolled,
    'output',
    'tcp sport { 10100, 10101 } meta skuid != 1001 drop',
  ],
  ['nor by UDP, nor on loopback', enrolled, 'output', 'udp sport { 53 } meta skuid != 1006 drop'],
] as const
for (const [why, state, hook, rule] of present)
  t.test(why, async t => t.ok(chain(state, hook).includes(rule), rule))

const absent = [
  ['9999 once enrolled', enrolled, 'input', /9999/],
  ['51820 before', blank, 'input', /51820/],
  ['DHCP with a static address', enrolled, 'input', /sport 67/],
  ['DHCP questions with a static address', enrolled, 'output', /dport 67/],
  ['loopback ports for peers', enrolled, 'input', /8080/],
  ['peers for a service without egress', enrolled, 'output', /skuid 1006 oifname "wg0"/],
  ["the agent's ports for services", enrolled, 'output', /skuid 1\d{3}.*(9997|9998)/],
  ['ICMP', enrolled, 'output', /icmp/],
  ['anything outside for services', enrolled, 'output', /skuid 1\d{3} (?!oifname)/],
  ['DNS outside for a service without that egress', enrolled, 'output', /skuid 1001 oifname !=/],
  [
    'anything but DNS outside',
    enrolled,
    'output',
    /skuid 1\d{3} oifname != .* (?!(udp|tcp) dport 53 accept)\w+ dport/,
  ],
] as const
for (const [why, state, hook, pattern] of absent)
  t.test(`no rule opens ${why}`, async t =>
    t.same(
      chain(state, hook).filter(rule => pattern.test(rule)),
      [],
    ),
  )

const withGateway = { ...enrolled, services: [rqlite, names, gateway] }

t.test('a public port is open to all, and to peers by WireGuard', async t => {
  const opening = chain(withGateway, 'input').filter(rule => /\b443\b/.test(rule))
  t.same(opening, [
    'iifname != { "lo", "wg0" } tcp dport { 443 } accept',
    'iifname "wg0" ip saddr 10.0.0.0/24 ip daddr 10.0.0.1 tcp dport { 443, 10100, 10101 } accept',
  ])
  t.ok(chain(withGateway, 'output').includes('tcp sport { 443 } meta skuid != 1008 drop'))
})

t.test(
  'the gateway calls agents, what it requires on this node, and nodes that wait; nothing else',
  async t => {
    const own = chain(withGateway, 'output').filter(rule => rule.startsWith('meta skuid 1008'))
    t.same(own, [
      'meta skuid 1008 oifname "lo" ip daddr { 127.0.0.0/8, 10.0.0.1 } tcp dport { 443, 10100, 10101 } accept',
      'meta skuid 1008 oifname != { "lo", "wg0" } tcp dport 9999 accept',
      'meta skuid 1008 oifname "lo" ip daddr 10.0.0.1 tcp dport 9998 accept',
      'meta skuid 1008 oifname "wg0" ip daddr 10.0.0.0/24 tcp dport 9998 accept',
    ])
  },
)

t.test('what the gateway may changes nothing for others', async t => {
  const others = (state: FirewallState) =>
    (['input', 'output'] as const).flatMap(hook => chain(state, hook)).filter(rule => !/443|1008/.test(rule))
  t.same(
    others(withGateway),
    others(enrolled).filter(
      rule => !rule.includes('tcp dport { 10100, 10101 } accept') || !rule.startsWith('iif'),
    ),
  )
  const order = chain(withGateway, 'output')
  const leaving = order.findIndex(rule => rule.startsWith('ip daddr 10.0.0.0/24 oifname !='))
  t.ok(leaving < order.findIndex(rule => rule.startsWith('meta skuid 1008')), 'the cluster network first')
})

t.test('the guardian answers other nodes, and no service of its own', async t => {
  const guardian = {
    ...rqlite,
    name: 'guardian',
    uid: 1007,
    ports: [{ port: 10_106, protocol: 'tcp', on: 'wireguard' }],
    egress: [],
  } as const
  const state = { ...enrolled, services: [guardian, rqlite, names] }
  const opening = (hook: 'input' | 'output') =>
    chain(state, hook).filter(rule => rule.includes('10106') && rule.endsWith('accept'))
  t.match(opening('input'), [/^iifname "wg0" ip saddr 10\.0\.0\.0\/24/])
  t.match(opening('output'), [/^meta skuid 1007 oifname "lo"/])
  t.ok(chain(state, 'output').includes('tcp sport { 10106 } meta skuid != 1007 drop'))
})

t.test(
  'the order of the output rules: foreign answers, established, cluster network, root on loopback, services, refusal',
  async t => {
    const rules = chain(enrolled, 'output')
    const order = [
      'tcp sport { 9997',
      'udp sport { 53 }',
      'ct state established accept',
      'ip daddr',
      'meta skuid 0 oifname "lo"',
      'meta skuid 1001',
      'oifname "lo" reject',
      'oifname "wg0" drop',
      'udp sport 51820',
    ]
    const found = order.map(start => rules.findIndex(rule => rule.startsWith(start)))
    t.same(
      found,
      found.toSorted((a, b) => a - b),
    )
    t.notOk(found.includes(-1))
  },
)

t.test('applyFirewall() hands the rules to nft in a file, which goes, also when nft refuses it', async t => {
  const folder = t.testdir()
  const seen: unknown[] = []
  const nft = async (program: string, args: readonly string[]) => {
    seen.push([program, args[0], await readFile(args[1] ?? '', 'utf8')])
    if (seen.length === 2) throw new Error('no such rule')
    return ''
  }
  await applyFirewall(blank, nft, folder)
  await t.rejects(applyFirewall(enrolled, nft, folder), { message: 'no such rule' })
  t.same(seen, [
    ['nft', '-f', firewallRules(blank)],
    ['nft', '-f', firewallRules(enrolled)],
  ])
  t.same(await readdir(folder), [])
})
