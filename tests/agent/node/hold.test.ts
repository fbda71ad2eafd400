import t from 'tap'
import { carryOut } from '../../../agent/node/acts.ts'
import { memberList } from '../../../agent/node/guardian.ts'
import { composeHold, type Hold } from '../../../protocol/cluster/hold.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { commandSchema } from '../../../protocol/requests.ts'
import { authority, cluster, newNode, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'

const fromNow = (minutes: number) => formatTime(new Date(Date.now() + minutes * 60_000))
const issued = fromNow(-1)
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
  t.match(log.at(-1), `is held: guardians keep its shares back (signed at ${issued}`)
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

/** Signed by a clock that is ahead, or to outdo it. */
const dated = (issued: string, moreMs = 0) => ({ issued, number: Date.parse(issued) + moreMs })

t.test('what is dated ahead of the clock of the node is refused, with both times', async t => {
  const { node, order, held, did } = setUp()
  for (const issued of [fromNow(6), '2140-01-01T00:00:00Z'])
    for (const action of ['hold', 'release'] as const) {
      const carried = carryOut(node, { action, order: order({ action, ...dated(issued) }) })
      const said = new RegExp(`signed at ${issued}, and the clock of this node says 20`)
      await t.rejects(carried, { name: 'HttpError', status: 409, message: said, hint: /set the clock/ })
    }
  t.same([held(), did], [[], []])
  await carryOut(node, { action: 'hold', order: order(dated(fromNow(4))) })
  t.equal(held().length, 1, 'clocks may differ a little')
})

t.test('one of a clock that was ahead, which came by news, can be outdone, whatever the time', async t => {
  const { node, order, held, other } = setUp()
  const ahead = '2140-01-01T00:00:00Z'
  await node.view.hear({ membership: { ...noMembers, holds: [order(dated(ahead))] }, endpoints: [] })
  t.same(held(), [other])
  const release = (changes: Partial<Hold>) =>
    carryOut(node, { action: 'release', order: order({ action: 'release', ...changes }) })
  const refusal = { status: 409, message: `signed at ${ahead}, number ${Date.parse(ahead)}`, hint: /--above/ }
  t.match(await release({}).catch((error: unknown) => error), refusal)
  await t.rejects(release(dated('2140-01-01T00:06:00Z')), { status: 409, message: /the clock of this node/ })
  t.same(held(), [other])
  await release(dated(ahead, 1))
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
