import t from 'tap'
import { carryOut } from '../../../agent/node/acts.ts'
import { memberList } from '../../../agent/node/guardian.ts'
import { composeHold, type Hold } from '../../../protocol/cluster/hold.ts'
import { commandSchema } from '../../../protocol/requests.ts'
import { authority, cluster, newNode, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'

const issued = '2026-11-27T08:00:00Z'
const atMs = Date.parse(issued)

function setUp() {
  const side = memberNode(2)
  const other = side.nodes[1]?.nodeId ?? ''
  const text = (changes: Partial<Hold> = {}) =>
    composeHold({ cluster, node: other, action: 'hold', number: atMs, issued, ...changes })
  const order = (changes: Partial<Hold> = {}, by = authority) => signedBy(by, text(changes))
  const held = () =>
    memberList(side.node)
      .members.filter(one => one.held)
      .map(one => one.nodeId)
  return { ...side, other, order, held }
}

t.test('a hold is taken, the guardian hears of it, and a release ends it', async t => {
  const { node, other, order, held, log, did } = setUp()
  t.same(await carryOut(node, { action: 'hold', order: order() }), { status: 'held', node: other })
  t.same(held(), [other])
  t.match(log.at(-1), /is held: guardians keep its shares back \(signed at 2026-11-27T08:00:00Z/)
  const release = order({ action: 'release', number: atMs + 1 })
  t.same(await carryOut(node, { action: 'release', order: release }), { status: 'released', node: other })
  t.same([held(), did], [[], ['news', 'news']], 'peers and record hear of each')
})

t.test('a locked node takes it as well, and the same one twice changes nothing', async t => {
  const { node, order, held, other, did } = setUp()
  node.machine.dataOpen = false
  const command = { action: 'hold', order: order() } as const
  await carryOut(node, command)
  await carryOut(node, command)
  t.same([held(), did], [[other], ['news']])
})

t.test('a hold outlives the node: it is in the record that it stores', async t => {
  const { node, order, other } = setUp()
  await carryOut(node, { action: 'hold', order: order() })
  const { holds } = node.view.into(node.record).membership
  t.match(holds, [{ text: new RegExp(`node: ${other}\\naction: hold`) }])
})

type Set = ReturnType<typeof setUp>
const refused: readonly (readonly [string, (set: Set) => Parameters<typeof carryOut>[1], number])[] = [
  ['nobody who signed', () => ({ action: 'hold' }), 403],
  ['a stranger', ({ order }) => ({ action: 'hold', order: order({}, newWallet()) }), 403],
  ['another cluster', ({ order }) => ({ action: 'hold', order: order({ cluster: '0b'.repeat(16) }) }), 403],
  ['no member', ({ order }) => ({ action: 'hold', order: order({ node: newNode().nodeId }) }), 403],
  ['the other action', ({ order }) => ({ action: 'release', order: order() }), 400],
  ['another text', () => ({ action: 'hold', order: signedBy(authority, 'OramaOS order v1') }), 400],
  ['a mode', ({ order }) => ({ action: 'hold', order: order(), mode: 'audit' }), 400],
]
for (const [why, command, status] of refused)
  t.test(`refused with ${status}: ${why}`, async t => {
    const set = setUp()
    await t.rejects(carryOut(set.node, command(set)), { name: 'HttpError', status })
    t.same([set.held(), set.did], [[], []])
  })

t.test('what strangers have refused costs operators no patience', async t => {
  const { node, order, held, other } = setUp()
  const lie = order({}, newWallet())
  for (let at = 0; at < 40; at++)
    await t.rejects(carryOut(node, { action: 'hold', order: lie }), { name: 'HttpError', status: 403 })
  await carryOut(node, { action: 'hold', order: order() })
  t.same(held(), [other])
})

t.test('one that is older than what is known is refused as such', async t => {
  const { node, order, held } = setUp()
  await carryOut(node, { action: 'release', order: order({ action: 'release', number: atMs + 1 }) })
  await t.rejects(carryOut(node, { action: 'hold', order: order() }), { status: 409, message: /newer/ })
  t.same(held(), [])
})

t.test('a node that is not in touch with its cluster says so', async t => {
  const { node, order } = setUp()
  delete node.spread
  await t.rejects(carryOut(node, { action: 'hold', order: order() }), { name: 'HttpError', status: 409 })
})

t.test('commandSchema takes hold and release', async t => {
  const { order } = setUp()
  for (const action of ['hold', 'release']) t.ok(commandSchema.safeParse({ action, order: order() }).success)
})
