import t from 'tap'
import { orderActions, verifyOrder } from '../../protocol/order.ts'
import { type Command, commandSchema } from '../../protocol/requests.ts'
import { answer, now } from './node.ts'
import { keepJoined, proxied, statusAnswer } from './proxied.ts'
import { orama, owner } from './support.ts'

const target = 'naaaaaaaaaaaaaaaa'
const where = { [target]: '192.0.2.8:51820' }
const commands = [
  ['escrow', [], { action: 'escrow' }, {}],
  ['rekey', [], { action: 'rekey' }, {}],
  ['endpoints', [`${target}=192.0.2.8:51820`], { action: 'endpoints', endpoints: where }, where],
] as const

for (const [action, more, command, values] of commands)
  for (const by of ['gateway', 'WireGuard'] as const)
    t.test(`${action} is an order of the owner, by ${by}`, async t => {
      const { node, config, setting } = await proxied(t, {
        ...statusAnswer({ lastOrder: 6 }),
        'POST /v1/agent/command': answer(200, { status: 'done' }),
      })
      await keepJoined(config, node)
      const at = { ...setting, ports: { ...setting.ports, 9998: node.port } }
      const way = by === 'gateway' ? ['--env', 'home'] : []
      const words = [...more, '--node', node.nodeId, ...way, '--passphrase-fd', '3']
      const ran = await orama(at, 'node', action, ...words)
      t.equal(ran.code, 0, ran.err)
      const { order, ...sent } = parse(node.requests.at(-1)?.body)
      t.same(sent, command)
      if (order === undefined) throw new Error('Cannot find the order')
      const expected = { nodeId: node.nodeId, owner, action: orderOf(action), lastNumber: 6, now }
      const checked = verifyOrder(order, expected)
      t.same([checked.number, checked.arguments], [7, values])
    })

const unreadable: readonly (readonly string[])[] = [
  [],
  [target],
  [`${target}=`],
  [`${target}=192.0.2.8`],
  [`${target}=example.org:51820`],
  [`${target}=192.0.2.8:51820=1`],
  ['x=192.0.2.8:51820'],
  [`${target}=192.0.2.8:1`, `${target}=192.0.2.9:1`],
]
for (const words of unreadable)
  t.test(`endpoints that cannot be read: ${words.join(' ')}`, async t => {
    const { node, config, setting } = await proxied(t, statusAnswer())
    await keepJoined(config, node)
    t.equal((await orama(setting, 'node', 'endpoints', ...words, '--env', 'home')).code, 2)
    t.same(node.requests, [], 'nobody is asked')
  })

const orderOf = (action: string) => orderActions.find(one => one === action) ?? 'unlock'
const parse = (body = ''): Command => commandSchema.parse(JSON.parse(body))
