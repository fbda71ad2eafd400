import { randomBytes } from 'node:crypto'
import t from 'tap'
import { takeOrder } from '../../../agent/node/orders.ts'
import type { RecordKeeper } from '../../../agent/node/records.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { composeOrder, type Order } from '../../../protocol/order.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'
import { sampleEnrollment } from '../unlock/node-samples.ts'

const wallet = randomBytes(32)
const record: NodeRecord = {
  ...sampleEnrollment().record,
  owner: addressOf(publicKeyOf(wallet)),
  lastOrder: 6,
}
const wanted = { action: 'seccomp', arguments: { mode: 'audit', service: 'one' } } as const

function signed(change: Partial<Order> = {}, key: Uint8Array = wallet) {
  const text = composeOrder({
    node: record.nodeId,
    action: 'seccomp',
    arguments: wanted.arguments,
    number: 7,
    expires: formatTime(new Date(Date.now() + 60_000)),
    ...change,
  })
  return { text, signature: signText(text, key) }
}

function taker(keepRecord?: RecordKeeper['keepRecord']) {
  const kept: NodeRecord[] = []
  const keep = async (next: NodeRecord) => {
    kept.push(next)
    return next
  }
  const node: RecordKeeper = { record, keepRecord: keepRecord ?? keep }
  return { node, kept }
}

t.test('an order is stored before it is carried out, and then is used', async t => {
  const { node, kept } = taker()
  const order = signed()
  await takeOrder(node, order, wanted)
  t.match(kept, [{ lastOrder: 7, revision: record.revision + 1, nodeId: record.nodeId }])
  t.equal(node.record.lastOrder, 7)
  await t.rejects(takeOrder(node, order, wanted), { status: 403, message: /number 7 is used/ })
  t.equal(kept.length, 1)
})

const past = '2020-01-01T00:00:00Z'
const refused = [
  ['a stranger', signed({}, randomBytes(32)), /not the owner/],
  ['another node', signed({ node: 'naaaaaaaaaaaaaaaa' }), /for node/],
  ['another action', signed({ action: 'unlock' }), /says 'unlock'/],
  ['a used number', signed({ number: 6 }), /number 6 is used/],
  ['an hour that is over', signed({ expires: past }), /expired/],
  ['another service', signed({ arguments: { mode: 'audit', service: 'two' } }), /'service'/],
  ['another mode', signed({ arguments: { mode: 'enforce', service: 'one' } }), /'mode'/],
  ['no service', signed({ arguments: { mode: 'audit' } }), /'service'/],
  ['one argument more', signed({ arguments: { ...wanted.arguments, force: true } }), /'force'/],
  ['nothing at all', signed({ arguments: {} }), /is not that of the command/],
  ['no text of an order', { text: 'x', signature: `0x${'a'.repeat(130)}` }, /Cannot read text/],
] as const
for (const [whose, order, why] of refused)
  t.test(`an order is refused, and nothing stored: of ${whose}`, async t => {
    const { node, kept } = taker()
    await t.rejects(takeOrder(node, order, wanted), { name: 'HttpError', status: 403, message: why })
    t.same([kept, node.record.lastOrder], [[], 6])
  })

t.test('an order whose number cannot be stored is not carried out, and can be sent again', async t => {
  let broken = true
  const { node } = taker(async next => {
    if (broken) throw new Error('disk away')
    return next
  })
  await t.rejects(takeOrder(node, signed(), wanted), { message: 'disk away' })
  t.equal(node.record.lastOrder, 6)
  broken = false
  await takeOrder(node, signed(), wanted)
  t.equal(node.record.lastOrder, 7)
})

t.test('one order at a time: the same one sent twice is carried out once, the other is refused', async t => {
  const stored = Promise.withResolvers<undefined>()
  const { node } = taker(async next => {
    await stored.promise
    return next
  })
  const first = takeOrder(node, signed(), wanted)
  const second = takeOrder(node, signed(), wanted)
  stored.resolve(undefined)
  await first
  await t.rejects(second, { name: 'HttpError', status: 403, message: /number 7 is used/ })
})
