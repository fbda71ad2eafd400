import { join } from 'node:path'
import t from 'tap'
import { ratios } from '../../bench/gateway.ts'
import { answered, ratesOf, type Target } from '../../bench/gateway/load.ts'
import { fillRegistry, openBenchRegistry } from '../../bench/gateway/registered.ts'
import { HttpError } from '../../http/error.ts'
import type { Routes } from '../../http/server.ts'
import { serving } from '../http/serving.ts'
import { authority } from '../protocol/cluster/sample.ts'

const measured = [
  ['gateway', 100],
  ['https', 125],
  ['http', 200],
  ['gateway closing', 25],
  ['gateway to node', 30],
  ['https to node', 40],
] as const

t.test('ratios() has the gateway over its peers', async t =>
  t.same(ratios(new Map(measured)), {
    gateway_ratio: 0.5,
    gateway_vs_https: 0.8,
    gateway_proxied_ratio: 0.75,
    gateway_closing_ratio: 0.25,
  }),
)

for (const [absent] of measured)
  t.test(`ratios() refuses rates without '${absent}'`, async t =>
    t.throws(() => ratios(new Map(measured.filter(([name]) => name !== absent))), {
      name: 'RangeError',
      message: new RegExp(`'${absent}' was not measured`),
    }),
  )

t.test(
  'ratesOf() asks each target in turn for as many answers, in one round more than it counts',
  async t => {
    const asked: string[] = []
    const note = (name: string): Routes[string] => ({
      handle: () => {
        asked.push(name)
        return { body: name }
      },
    })
    const { port } = await serving(t, { 'GET /a': note('a'), 'GET /b': note('b') })
    const target = (name: string): Target => {
      return { name, scheme: 'http', kept: false, options: { host: '127.0.0.1', port, path: `/${name}` } }
    }
    const rates = await ratesOf([target('a'), target('b')], { connections: 2, requests: 3, rounds: 2 })
    t.same([...rates.keys()], ['a', 'b'])
    t.ok([...rates.values()].every(rate => rate > 0))
    t.equal(asked.join(''), 'aaabbb'.repeat(3))
  },
)

t.test('an answer that is no 200 is no figure', async t => {
  const { port } = await serving(t, {
    'GET /': {
      handle: () => {
        throw new HttpError(429, 'too many requests', 'wait')
      },
    },
  })
  const options = { host: '127.0.0.1', port, path: '/' }
  await t.rejects(answered('http', options), { message: /status 429/ })
  const target: Target = { name: 'a', scheme: 'http', kept: true, options }
  await t.rejects(ratesOf([target], { connections: 1, requests: 1, rounds: 1 }), { message: /status 429/ })
})

t.test(
  'fillRegistry() leaves what joins leave: members, addresses, spent invites, tokens, answers',
  async t => {
    const path = join(t.testdir(), 'registry.db')
    const { bytes, nodes } = await fillRegistry(path, 2)
    t.ok(bytes > 0)
    t.same([...nodes.keys()], ['127.0.9.2', '127.0.9.3'])
    const registry = await openBenchRegistry(path, authority.address)
    t.teardown(() => registry.close())
    t.equal((await registry.members.membership()).members.size, 3)
    const now = new Date('2026-11-21T08:06:00Z')
    t.same(
      (await registry.invites.list(now)).map(one => one.state),
      ['spent', 'spent'],
    )
    t.same(
      (await registry.addresses.list(now)).map(one => one.state),
      ['confirmed', 'confirmed'],
    )
    for (const { nodeId } of nodes.values())
      t.equal(await registry.nodeTokens.use(nodeId, token => token.length), 32)
  },
)
