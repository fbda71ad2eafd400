import t from 'tap'
import { servicePassword } from '../../protocol/cluster-secret.ts'
import { verifyOrder } from '../../protocol/order.ts'
import { commandSchema } from '../../protocol/requests.ts'
import { enrolled } from './enrolled.ts'
import { agentToken, answer, now } from './node.ts'
import { orama, owner } from './support.ts'

const status = {
  version: '0.1.0',
  buildKind: 'development',
  test: true,
  slot: 'A',
  state: 'waiting-for-peers',
  since: '2026-11-21T08:00:00Z',
  waitingFor: 'two \u001b[31mpeers',
  identity: 'unsealed',
  secureBoot: true,
  watchdog: 'soft',
  uptimeS: 12.5,
  rootProcesses: ['nft'],
  lastPanic: 'oops',
  shares: { mode: 'escrow', trouble: ['a \u001b[2Jliar'], members: 2 },
  services: { rqlite: { state: 'ready', since: '2026-11-21T08:00:00Z', restarts: 2, lastExit: 'status 1' } },
}

t.test('status shows what people want to know, and sends the token', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'GET /v1/agent/status': answer(200, status) }
  const ran = await orama(setting, 'node', 'status')
  t.equal(ran.code, 0, ran.err)
  for (const text of [
    'waiting-for-peers',
    'two \ufffd[31mpeers',
    'slot A',
    'last panic',
    'service rqlite',
    '2 restarts',
    'the agent, nft',
    'in escrow: its owner opens the disk',
    'a \ufffd[2Jliar',
  ])
    t.match(ran.out, text)
  t.equal(node.requests.at(-1)?.authorization, `Bearer ${agentToken}`)
})

t.test('status --json is the status', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'GET /v1/agent/status': answer(200, status) }
  const ran = await orama(setting, 'node', 'status', '--node-ip', '10.0.0.1', '--json')
  t.same(JSON.parse(ran.out), status)
})

t.test('status of a node that is away is exit code 4, of a strange one 1, without token 3', async t => {
  const { node, config, setting } = await enrolled(t)
  t.equal((await orama({ config }, 'node', 'status')).code, 4)
  node.behaviour.answers = { 'GET /v1/agent/status': answer(200, { ...status, state: 'happy' }) }
  t.equal((await orama(setting, 'node', 'status')).code, 1)
  node.behaviour.answers = { 'GET /v1/agent/status': answer(401, { error: 'no token' }) }
  t.equal((await orama(setting, 'node', 'status')).code, 3)
})

t.test('two nodes with one address are not confused: the token of one never goes to the other', async t => {
  const { node, config, setting } = await enrolled(t)
  const other = await enrolled(t, '192.0.2.8', config)
  const ran = await orama(setting, 'node', 'status', '--node-ip', '10.0.0.1')
  t.equal(ran.code, 2)
  t.match(ran.err, /--node ID/)
  node.behaviour.answers = { 'GET /v1/agent/status': answer(200, status) }
  t.equal((await orama(setting, 'node', 'status', '--node', node.nodeId)).code, 0)
  t.equal((await orama(setting, 'node', 'status', '--node-ip', '192.0.2.7')).code, 0)
  t.notOk(other.node.requests.some(({ authorization }) => authorization !== undefined))
})

t.test('command sends action and service', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'POST /v1/agent/command': answer(200, { status: 'restarted' }) }
  const ran = await orama(setting, 'node', 'command', 'restart', 'rqlite', '--json')
  t.same(JSON.parse(ran.out), { status: 'restarted' })
  t.same(JSON.parse(node.requests.at(-1)?.body ?? ''), { action: 'restart', service: 'rqlite' })
})

t.test('command takes action and service as options too', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'POST /v1/agent/command': answer(200, { status: 'enforce' }) }
  const line = ['--action', 'seccomp', '--service', 'rqlite', '--mode', 'enforce']
  const ran = await orama(setting, 'node', 'command', ...line)
  t.equal(ran.code, 0, ran.err)
  const sent = { action: 'seccomp', service: 'rqlite', mode: 'enforce' }
  t.same(JSON.parse(node.requests.at(-1)?.body ?? ''), sent, 'not signed')
})

const auditLine = ['node', 'command', 'seccomp', 'rqlite', '--mode', 'audit', '--passphrase-fd', '3']

t.test('what weakens a sandbox is signed, with a number that the node has not seen', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = {
    'GET /v1/agent/status': answer(200, { ...status, lastOrder: 41 }),
    'POST /v1/agent/command': answer(200, { status: 'audit' }),
  }
  for (const number of [42, 43]) {
    const ran = await orama(setting, ...auditLine)
    t.equal(ran.code, 0, ran.err)
    const { order, ...command } = commandSchema.parse(JSON.parse(node.requests.at(-1)?.body ?? ''))
    t.same(command, { action: 'seccomp', service: 'rqlite', mode: 'audit' })
    const checked = verifyOrder(order ?? { text: '', signature: '' }, {
      nodeId: node.nodeId,
      owner,
      action: 'seccomp',
      lastNumber: number - 1,
      now,
    })
    t.match(checked, { number, arguments: { mode: 'audit', service: 'rqlite' } })
  }
})

t.test('a node that counts its orders far ahead gets no signature', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'GET /v1/agent/status': answer(200, { ...status, lastOrder: 9_000_000 }) }
  t.equal((await orama(setting, ...auditLine)).code, 5)
  t.notOk(node.requests.some(({ method, path }) => method === 'POST' && path.endsWith('command')))
})

t.test('status tells what services use and were denied', async t => {
  const { node, setting } = await enrolled(t)
  const rqlite = {
    state: 'ready',
    since: '2026-11-21T08:00:00Z',
    restarts: 1,
    lastProbe: { at: '2026-11-21T08:00:05Z', good: false },
    seccomp: 'audit',
    denied: { ptrace: 2, mount: 1000 },
    memoryBytes: 5 * 1024 ** 2,
    cpuS: 1.25,
  }
  const news = { ...status, audit: 'on', deniedLost: 7, services: { rqlite } }
  node.behaviour.answers = { 'GET /v1/agent/status': answer(200, news) }
  const { out } = await orama(setting, 'node', 'status')
  for (const part of ['last probe bad at 2026-11-21T08:00:05Z', '5 MiB', 'seccomp only audits'])
    t.match(out, part)
  t.match(out, 'denied: mount 1000 ptrace 2')
  t.match(out, 'on, 7 records lost')
})

const notCommands = [
  [],
  ['format'],
  ['leave'],
  ['update'],
  ['restart', '../x'],
  ['restart', 'a', 'b'],
  ['restart', 'a', '--service', 'b'],
  ['restart', 'a', '--mode', 'audit'],
  ['seccomp', 'a'],
  ['seccomp', 'a', '--mode', 'off'],
]

t.test('command refuses what is no action, and asks no node', async t => {
  const { node, setting } = await enrolled(t)
  const asked = node.requests.length
  for (const words of notCommands)
    t.equal((await orama(setting, 'node', 'command', ...words)).code, 2, words.join(' '))
  t.equal(node.requests.length, asked)
})

t.test('wg-config prints what wg(8) and wg-quick(8) read', async t => {
  const { node, config } = await enrolled(t)
  const quick = await orama({ config }, 'node', 'wg-config')
  const lines = [
    /^\[Interface\]$/m,
    /^PrivateKey = [A-Za-z0-9+/]{43}=$/m,
    /^Address = 10\.0\.0\.254\/24$/m,
    /^Endpoint = 192\.0\.2\.7:51820$/m,
    /^AllowedIPs = 10\.0\.0\.1\/32$/m,
  ]
  for (const line of lines) t.match(quick.out, line)
  t.match(quick.out, `PublicKey = ${node.hello.wireguard}\n`)
  const plain = await orama({ config }, 'node', 'wg-config', '--setconf')
  t.notMatch(plain.out, /Address/)
})

t.test('password prints what the node makes of the cluster secret', async t => {
  const { node, config } = await enrolled(t)
  const secret = Buffer.from(node.configs[0]?.clusterSecret ?? '', 'base64url')
  const ran = await orama({ config }, 'node', 'password', '--service', 'rqlite')
  t.equal(ran.out, `${servicePassword(secret, 'rqlite')}\n`)
  const other = await orama({ config }, 'node', 'password', '--service', 'olric', '--json')
  t.match(JSON.parse(other.out), { user: 'orama', password: servicePassword(secret, 'olric') })
  t.equal((await orama({ config }, 'node', 'password')).code, 2)
})
