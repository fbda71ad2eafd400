import t from 'tap'
import { checkDeparture, evicted, parseEviction } from '../../protocol/cluster/departure.ts'
import { checkHold } from '../../protocol/cluster/hold.ts'
import { soleAuthority } from '../../protocol/cluster/trust.ts'
import type { SignedText } from '../../protocol/fields.ts'
import { someNodeId } from '../protocol/cluster/sample.ts'
import { cluster } from './gateway.ts'
import { answer, now } from './node.ts'
import { keepJoined, proxied } from './proxied.ts'
import { orama, owner } from './support.ts'

const way = ['--env', 'home', '--passphrase-fd', '3']
const bodyOf = ({ requests }: { requests: { body: string }[] }) =>
  JSON.parse(requests.at(-1)?.body ?? '') as { action: string; order: SignedText }

const trust = soleAuthority({ cluster, authority: owner })
const target = 'naaaaaaaaaaaaaaaa'

t.test('hold, release and evict are signed for the cluster, and given to a node that answers', async t => {
  const { node, setting } = await proxied(t, { 'POST /v1/agent/command': answer(200, { status: 'ok' }) })
  for (const action of ['hold', 'release'] as const) {
    const ran = await orama(setting, 'node', action, target, ...way)
    t.equal(ran.code, 0, ran.err)
    t.equal(bodyOf(node).action, action)
    t.match(checkHold(bodyOf(node).order, trust).hold, { node: target, action, number: now.getTime() })
  }
  for (const force of ['no', 'yes'] as const) {
    const more = force === 'yes' ? ['--force'] : []
    t.equal((await orama(setting, 'node', 'evict', target, ...more, ...way)).code, 0)
    const { order } = bodyOf(node)
    t.match(parseEviction(order.text), { node: target, force, cluster })
    t.doesNotThrow(() => checkDeparture(evicted(target, order), node.hello, trust))
  }
})

t.test(
  'a number that a clock ahead has made is outdone: dated as it was, and refused where none can be',
  async t => {
    const { node, setting } = await proxied(t, { 'POST /v1/agent/command': answer(200, { status: 'ok' }) })
    const [past, ahead] = ['2020-01-01T00:00:00Z', '2140-01-01T00:00:00Z']
    const signed = async (action: 'hold' | 'release', above: number) => {
      const ran = await orama(setting, 'node', action, target, '--above', String(above), ...way)
      t.equal(ran.code, 0, ran.err)
      return checkHold(bodyOf(node).order, trust).hold
    }
    for (const action of ['hold', 'release'] as const)
      t.match(await signed(action, Date.parse(ahead)), {
        action,
        issued: ahead,
        number: Date.parse(ahead) + 1,
      })
    t.match(await signed('release', Date.parse(past)), { number: now.getTime() }, 'never before its own time')
    const last = Date.parse('9999-12-31T23:59:59.999Z')
    t.equal((await signed('release', last - 1)).number, last)
    const { length } = node.requests
    for (const wrong of ['', 'x', '-1', '1e3', '1.5', String(last), '9'.repeat(20)]) {
      const ran = await orama(setting, 'node', 'release', target, `--above=${wrong}`, ...way)
      t.match(ran, { code: 2, err: /number of --above/ }, wrong)
    }
    t.equal(node.requests.length, length)
  },
)

t.test('however many are off, one that answers is found, also behind those that are not open', async t => {
  const { node, nodes, setting } = await proxied(t, {
    'POST /v1/agent/command': answer(200, { status: 'ok' }),
  })
  for (let at = 10; at < 18; at++) nodes.unshift({ nodeId: someNodeId(at), address: '127.0.0.2', owner })
  t.equal((await orama(setting, 'node', 'hold', target, ...way)).code, 0)
  t.equal(node.requests.length, 1)
  node.behaviour.answers = { 'POST /v1/agent/command': answer(503, { error: 'locked' }) }
  const ran = await orama(setting, 'node', 'hold', target, ...way)
  t.match(ran, { code: 3, err: /locked/ }, 'the last of them says why')
})

t.test('over WireGuard too, with the node file of the messenger', async t => {
  const { node, config } = await proxied(t, { 'POST /v1/agent/command': answer(200, { status: 'ok' }) })
  await keepJoined(config, node)
  const ran = await orama(
    { config, ports: { 9998: node.port } },
    ...['node', 'hold', target, '--node-ip', '127.0.0.1', '--passphrase-fd', '3'],
  )
  t.equal(ran.code, 0, ran.err)
  t.equal(checkHold(bodyOf(node).order, trust).hold.node, target)
})

t.test('a refusal ends it, and a cluster without another node that answers', async t => {
  const { node, nodes, setting } = await proxied(t, {
    'POST /v1/agent/command': answer(409, { error: 'too few holders', hint: 'force' }),
  })
  const short = await orama(setting, 'node', 'evict', target, ...way)
  t.equal(short.code, 3)
  t.match(short.err, /too few holders/)
  t.equal(node.requests.filter(({ method }) => method === 'POST').length, 1)
  const ran = await orama(setting, 'node', 'evict', node.nodeId, ...way)
  t.match(ran.err, /cannot be reached/, 'it is not sent to the node that it is about')
  nodes.splice(0)
  t.match((await orama(setting, 'node', 'hold', target, ...way)).err, /no other node/)
  for (const words of [[], ['x'], [target, target]])
    t.equal((await orama(setting, 'node', 'hold', ...words, ...way)).code, 2)
})
