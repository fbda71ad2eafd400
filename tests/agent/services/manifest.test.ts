import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkManifests, type Manifest, parseManifest, startOrder } from '../../../agent/services/manifest.ts'
import { chooseServices } from '../../../image/services.ts'
import { manifest } from './example.ts'

const services = join(import.meta.dirname, '../../../services')
const file = join(services, 'rqlite/service.json')
const rqlite = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>

t.test("the project's own manifests are good together", async t =>
  t.ok((await chooseServices(undefined, services, true)).some(one => one.name === 'rqlite')),
)

const refused = [
  ['not JSON', '{', 'it is not JSON'],
  ['too long', ' '.repeat(262_145), '262145 characters'],
  ['an array', '[]', 'the whole'],
  ['an unknown key', { privileged: true }, 'privileged'],
  ['an early service with a secret in a file', { early: true, lists: {} }, 'files'],
  ['an early service that lists nodes', { early: true, files: {} }, 'lists'],
  [
    'an early service with an id made of a secret',
    { early: true, files: {}, lists: {}, command: ['/usr/bin/x', '${libp2pId}'] },
    'early',
  ],
  ['a socket that the agent does not have', { sockets: ['disk'] }, 'sockets.0'],
  [
    'an unknown key inside',
    { limits: { memoryMib: 512, cpus: 2, pids: 256, files: 4096, swap: 1 } },
    'limits.swap',
  ],
  ['a missing key', { limits: undefined }, 'limits'],
  ['a name that climbs', { name: '../x' }, 'name'],
  ['a name in capitals', { name: 'Rqlite' }, 'name'],
  ['a relative program', { command: ['rqlited'] }, 'command.0'],
  ['a program that climbs', { command: ['/usr/bin/../../x y'] }, 'command.0'],
  ['no program', { command: [] }, 'command'],
  ['root', { uid: 0 }, 'uid'],
  ['a UID below 1001', { uid: 1000 }, 'uid'],
  ['port 0', { ports: [{ port: 0, protocol: 'tcp', on: 'wireguard' }] }, 'ports.0.port'],
  ['a port anywhere', { ports: [{ port: 10_100, protocol: 'tcp', on: 'anywhere' }] }, 'ports.0.on'],
  ["the agent's port", { ports: [{ port: 9998, protocol: 'tcp', on: 'wireguard' }] }, 'ports.0'],
  [
    'a port that callers are given',
    { ports: [{ port: 32_768, protocol: 'tcp', on: 'wireguard' }] },
    'ports.0',
  ],
  ["the guardian's port", { ports: [{ port: 10_106, protocol: 'tcp', on: 'wireguard' }] }, 'ports.0'],
  ['a probe of a port that is not its own', { readiness: { tcp: { port: 1, send: '00' } } }, 'readiness'],
  ['a health probe of a port that is not its own', { health: { http: { port: 1, path: '/' } } }, 'health'],
  ['a health probe that is none', { health: {} }, 'health'],
  ['a probe that only connects', { readiness: { tcp: { port: 10_100 } } }, 'readiness'],
  ['a probe that says nothing', { readiness: { tcp: { port: 10_100, send: '' } } }, 'readiness'],
  ['a probe that says half a byte', { readiness: { tcp: { port: 10_100, send: '000' } } }, 'readiness'],
  ['a capability beyond the one', { capabilities: ['CAP_SYS_ADMIN'] }, 'capabilities.0'],
  [
    'memory without bound',
    { limits: { memoryMib: 1e9, cpus: 2, pids: 256, files: 4096 } },
    'limits.memoryMib',
  ],
  ['a file with a path', { files: { '../auth.json': '' } }, 'files'],
  ['a signal that stops nothing', { stop: { signal: 'HUP', graceS: 1 } }, 'stop.signal'],
  ['egress to anywhere', { egress: ['internet'] }, 'egress.0'],
  ['more egress than there is', { egress: ['dns', 'dns', 'wireguard', 'agents', 'public'] }, 'egress'],
  ['a placeholder that nobody fills', { command: ['/usr/bin/x', '${nobody}'] }, 'command.1'],
  ['a secret in the command', { command: ['/usr/bin/x', '-p', '${password}'] }, 'command.2'],
  ['the password of what it does not require', { files: { x: '${password:kubo}' } }, 'files.x'],
  [
    'the password of what it requires where anybody sees it',
    { requires: ['kubo'], command: ['/usr/bin/x', '${password:kubo}'] },
    'command.1',
  ],
  ['a secret in the environment', { environment: { KEY: '${clusterKey}' } }, 'environment.KEY'],
  ['a secret in a list', { lists: { x: { of: 'peers', each: '${libp2pKey}' } } }, 'lists.x.each'],
  ["a list's item outside of a list", { command: ['/usr/bin/x', '${itemAddress}'] }, 'command.1'],
  [
    "a list's item in its start",
    { lists: { x: { of: 'peers', each: '', start: '${itemAddress}' } } },
    'lists.x.start',
  ],
  [
    'the node id of a DNS server',
    { lists: { x: { of: 'nameservers', each: '${itemNodeId}' } } },
    'lists.x.each',
  ],
  ['a list of what is not known', { lists: { x: { of: 'operators', each: '' } } }, 'lists.x.of'],
  ['a list that hides a value', { lists: { password: { of: 'peers', each: '' } } }, 'lists'],
  ['a list with a name in capitals', { lists: { X: { of: 'peers', each: '' } } }, 'lists'],
  ['a placeholder in a file', { files: { x: 'a ${nobody}' } }, 'files.x'],
  ['a file over a path of the data', { files: { x: { text: '', inDataDir: '../x' } } }, 'files.x'],
  ['a file over the data folder itself', { files: { x: { text: '', inDataDir: '.' } } }, 'files.x'],
  ['a file with both text and template', { files: { x: { text: '', template: 'y' } } }, 'files.x.template'],
  ['a template that is not there', { files: { x: { template: 'y' } } }, 'files.x.template'],
  ['a file too long', { files: { x: 'x'.repeat(65_537) } }, 'files.x'],
  [
    'too many files',
    { files: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`f${i}`, ''])) },
    'files',
  ],
] as const
for (const [why, change, path] of refused)
  t.test(`parseManifest() refuses and names: ${why}`, async t => {
    // Lists of a row stand in place of those that rqlite's command names.
    const command = typeof change !== 'string' && 'lists' in change ? { command: ['/usr/bin/x'] } : {}
    const text = typeof change === 'string' ? change : JSON.stringify({ ...rqlite, ...command, ...change })
    t.plan(2)
    try {
      parseManifest(text, 'x/service.json')
    } catch (error) {
      t.equal((error as Error).name, 'SyntaxError')
      t.ok(
        (error as Error).message.startsWith(`Cannot use 'x/service.json': ${path}`),
        (error as Error).message,
      )
    }
  })

t.test("the guardian has its own port, and no other of the agent's", async t => {
  const text = readFileSync(join(services, 'guardian/service.json'), 'utf8')
  t.same(
    parseManifest(text, 'x/service.json').ports.map(p => p.port),
    [10_106],
  )
  t.throws(() => parseManifest(text.replaceAll('10106', '9998'), 'x/service.json'), {
    message: /ports\.0: the port is the agent's/,
  })
})

const a = manifest({ name: 'a', uid: 1001, port: 1 })
const b = manifest({ name: 'b', uid: 1002, port: 2, requires: ['a'] })
const c = manifest({ name: 'c', uid: 1003, port: 3, requires: ['b', 'a'] })

t.test('startOrder() puts each service after those that it requires', async t =>
  t.same(
    startOrder([c, b, a]).map(m => m.name),
    ['a', 'b', 'c'],
  ),
)

const wrongTogether: readonly (readonly [string, readonly Manifest[], RegExp])[] = [
  ['a name twice', [a, { ...b, name: 'a' }], /name a /],
  ['a UID twice', [a, { ...b, uid: 1001 }], /UID 1001 is given twice, by 'a' and 'b'/],
  ['a port twice', [a, { ...b, ports: a.ports }], /port 1\/tcp is given twice, by 'a' and 'b'/],
  ['a service that is not there', [b], /requires 'a'/],
  ['a circle', [{ ...a, requires: ['c'] }, b, c], /a → c → b → a/],
  ['an early service that requires another', [a, { ...b, early: true }], /'b' early: it requires 'a'/],
  ['a service that requires itself', [{ ...a, requires: ['a'] }], /a → a/],
]
for (const [why, manifests, message] of wrongTogether)
  t.test(`checkManifests() refuses ${why}`, async t =>
    t.throws(() => checkManifests(manifests), { name: 'RangeError', message }),
  )

t.test('a file may be a text, or the name of one beside service.json', async t => {
  const files = { a: 'one ${nodeId}', b: { template: 'b.txt', inDataDir: 'b' }, c: { text: 'three' } }
  const parsed = parseManifest(JSON.stringify({ ...rqlite, files }), 'x', { 'b.txt': 'two ${password}' })
  t.same(parsed.files, {
    a: { text: 'one ${nodeId}' },
    b: { text: 'two ${password}', inDataDir: 'b' },
    c: { text: 'three' },
  })
})

t.test('a template is judged as if its text stood in service.json', async t => {
  const json = JSON.stringify({ ...rqlite, files: { a: { template: 'b' } } })
  t.throws(() => parseManifest(json, 'x', { b: '${nobody}' }), { message: /files\.a: .*nobody/ })
  t.throws(() => parseManifest(json, 'x', { b: 'x'.repeat(65_537) }), { message: /files\.a/ })
})
