import t from 'tap'
import type { SignedText } from '../../protocol/fields.ts'
import { verifyOrder } from '../../protocol/order.ts'
import { cluster } from './gateway.ts'
import { agentToken, answer, now } from './node.ts'
import { keepJoined, proxied, status, statusAnswer } from './proxied.ts'
import { orama, owner } from './support.ts'

const way = ['--env', 'home', '--passphrase-fd', '3']
const bodyOf = ({ requests }: { requests: { body: string }[] }) =>
  JSON.parse(requests.at(-1)?.body ?? '') as { action: string; order: SignedText; force?: string }

t.test('status, logs and command go through the gateway, and show the same', async t => {
  const { node, config, setting } = await proxied(t, {
    ...statusAnswer(),
    'GET /v1/agent/logs': response => response.end('one\ntwo\n'),
    'POST /v1/agent/command': answer(200, { status: 'restarted' }),
  })
  const which = ['--node', node.nodeId, ...way]
  t.same(JSON.parse((await orama(setting, 'node', 'status', '--json', ...which)).out), status)
  t.equal(node.requests.at(-1)?.authorization, `Bearer ${agentToken}`, 'which is the gateway’s to know')
  t.equal((await orama(setting, 'node', 'logs', '--lines', '2', ...which)).out, 'one\ntwo\n')
  t.equal(node.requests.at(-1)?.path, '/v1/agent/logs?service=agent&lines=2')
  t.equal((await orama(setting, 'node', 'logs', '--follow', ...which)).out, 'one\ntwo\n')
  t.equal((await orama(setting, 'node', 'command', 'restart', 'rqlite', ...which)).code, 0)
  await keepJoined(config, node)
  const direct = { ...setting, ports: { ...setting.ports, 9998: node.port } }
  t.same(JSON.parse((await orama(direct, 'node', 'status', '--json')).out), status, 'over WireGuard')
  for (const by of [[], ['--node-ip', '192.0.2.8'], ['--node-ip', '127.0.0.1']])
    t.equal((await orama(setting, 'node', 'status', ...by, ...way)).code, 0, 'by the file')
})

t.test('what gateway and node refuse is told, and who is away', async t => {
  const { node, away, setting } = await proxied(t, { 'GET /v1/agent/status': answer(403, { error: 'no' }) })
  const rows = [
    [['--node', node.nodeId], 3, /The node or its gateway refused: no\n/],
    [['--node', away.nodeId], 4, /cannot be reached/],
    [['--node', 'naaaaaaaaaaaaaaaa'], 3, /no such node/],
    [['--node-ip', '192.0.2.99'], 3, /outside of the cluster/],
    [[], 2, /Cannot choose the node/],
  ] as const
  for (const [which, code, message] of rows) {
    const ran = await orama(setting, 'node', 'status', ...which, ...way)
    t.equal(ran.code, code, ran.err)
    t.match(ran.err, message)
  }
  t.equal((await orama({ config: setting.config }, 'node', 'list', ...way)).code, 4, 'gateway down')
})

t.test(
  'a joined node that is asked over WireGuard, where nothing answers, is reached by its environment',
  async t => {
    const { node, config } = await proxied(t)
    await keepJoined(config, node)
    for (const words of [
      ['node', 'status'],
      ['node', 'logs'],
      ['node', 'hold', 'naaaaaaaaaaaaaaaa'],
    ]) {
      const ran = await orama({ config }, ...words, '--node', node.nodeId, '--passphrase-fd', '3')
      t.match(ran, { code: 4, err: /over WireGuard/ })
      t.match(ran.err, 'Give --env home')
    }
  },
)

t.test('list shows the members, or what is on file', async t => {
  const { node, away, config, setting } = await proxied(t)
  const ran = await orama(setting, 'node', 'list', ...way)
  for (const shown of [node.nodeId, away.nodeId, '127.0.0.2', owner]) t.match(ran.out, shown)
  await keepJoined(config, node)
  const files = await orama({ config }, 'node', 'list')
  t.match(files.out, new RegExp(`${node.nodeId} +192\\.0\\.2\\.8 +127\\.0\\.0\\.1 +${cluster}`))
})

for (const by of ['gateway', 'WireGuard'] as const)
  t.test(`leave is an order of the owner, by ${by}`, async t => {
    const { node, config, setting } = await proxied(t, {
      ...statusAnswer({ lastOrder: 6 }),
      'POST /v1/agent/command': answer(200, { status: 'leaving' }),
    })
    await keepJoined(config, node)
    const at = { ...setting, ports: { ...setting.ports, 9998: node.port } }
    const words = by === 'gateway' ? way : ['--passphrase-fd', '3']
    const ran = await orama(at, 'node', 'leave', '--force', '--node', node.nodeId, ...words)
    t.equal(ran.code, 0, ran.err)
    const { action, order, force } = bodyOf(node)
    t.match({ action, force }, { action: 'leave', force: 'yes' }, 'as its arguments say')
    const expected = { nodeId: node.nodeId, owner, action: 'leave', lastNumber: 6, now } as const
    t.match(verifyOrder(order, expected), { number: 7, arguments: { force: 'yes' } })
  })

t.test('nobody signs for a node whose file is elsewhere, nor for one that counts far ahead', async t => {
  const { node, config, setting } = await proxied(t, statusAnswer({ lastOrder: 9_000_000 }))
  const line = ['node', 'leave', '--node', node.nodeId, ...way]
  const stranger = await orama(setting, ...line)
  t.equal(stranger.code, 2)
  t.match(stranger.err, /its file is not on this machine/)
  await keepJoined(config, node)
  t.equal((await orama(setting, ...line)).code, 5)
  t.notOk(node.requests.some(({ method }) => method === 'POST'))
})
