import t from 'tap'
import { carryOut } from '../../../agent/node/acts.ts'
import { composeEviction } from '../../../protocol/cluster/departure.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { type Appointment, composeAppointment, type Operator } from '../../../protocol/cluster/trust.ts'
import { composeOrder } from '../../../protocol/order.ts'
import { commandSchema } from '../../../protocol/requests.ts'
import {
  authority,
  cluster,
  joinRecord,
  newWallet,
  signedBy,
  type TestWallet,
} from '../../protocol/cluster/sample.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { memberNode } from './cluster-side.ts'

const issued = '2026-11-27T08:00:00Z'
const later = '2026-11-27T09:00:00Z'
const operator = newWallet()
const list: readonly Operator[] = [{ address: operator.address }]
const dismissed: readonly Operator[] = [{ address: operator.address, retired: issued }]

function setUp() {
  const side = memberNode(3)
  const order = (changes: Partial<Appointment> = {}, by = authority) =>
    signedBy(by, composeAppointment({ cluster, number: 1, operators: list, issued, ...changes }))
  const appoint = (changes: Partial<Appointment> = {}, by = authority) =>
    carryOut(side.node, { action: 'appoint', order: order(changes, by) })
  const known = () => side.node.view.membership().trust
  return { ...side, order, appoint, known }
}
type Set = ReturnType<typeof setUp>

t.test('an appointment is taken, said, stored, and shown to who asks', async t => {
  const { node, order, appoint, known, log, did } = setUp()
  t.same(await carryOut(node, { action: 'operators' }), {})
  t.same(await appoint(), { status: 'appointed', number: 1 })
  t.match(known(), { number: 1, operators: list })
  t.equal(log.at(-1), `cluster: the authority appoints operators: ${operator.address} (number 1)`)
  t.same(did, ['news'])
  t.same(node.view.into(node.record).membership.appointment, order())
  t.same(await carryOut(node, { action: 'operators' }), { appointment: order() })
  await appoint({ number: 2, operators: dismissed })
  t.match(log.at(-1), `operators: ${operator.address} until ${issued} (number 2)`)
})

t.test('a locked node takes it as well, and the same one twice changes nothing', async t => {
  const { node, appoint, did } = setUp()
  node.machine.dataOpen = false
  t.same(await appoint(), await appoint())
  t.same(did, ['news'])
})

const other = newWallet()
const refused: readonly (readonly [string, (set: Set) => Promise<unknown>, number, RegExp])[] = [
  ['nobody who signed', ({ node }) => carryOut(node, { action: 'appoint' }), 403, /signed by the authority/],
  ['a stranger', ({ appoint }) => appoint({ number: 9 }, newWallet()), 403, /the authority is 0x/],
  ['an operator', ({ appoint }) => appoint({ number: 9 }, operator), 403, /the authority is 0x/],
  [
    'another cluster',
    ({ appoint }) => appoint({ number: 9, cluster: '0b'.repeat(16) }),
    403,
    /another cluster/,
  ],
  ['an older number', ({ appoint }) => appoint({ number: 1, operators: [] }), 409, /newer list/],
  [
    'another list with the same number',
    ({ appoint }) => appoint({ number: 2, operators: dismissed }),
    409,
    /newer list/,
  ],
  [
    'a list on which an operator is missing',
    ({ appoint }) => appoint({ number: 3, operators: [{ address: other.address }] }),
    409,
    /do not vanish/,
  ],
  [
    'another text',
    ({ node }) => carryOut(node, { action: 'appoint', order: signedBy(authority, 'OramaOS hold v1') }),
    400,
    /its first line is not/,
  ],
  [
    'a service',
    ({ node, order }) => carryOut(node, { action: 'appoint', order: order(), mode: 'audit' }),
    400,
    /takes no mode/,
  ],
]
for (const [why, act, status, message] of refused)
  t.test(`refused with ${status}: ${why}`, async t => {
    const set = setUp()
    await set.appoint({ number: 2 })
    const [before, told] = [set.known(), set.did.length]
    await t.rejects(act(set), { name: 'HttpError', status, message })
    t.same([set.known(), set.did.length], [before, told])
  })

t.test('what is refused costs nobody the patience that operators need', async t => {
  const { node, order, appoint, known } = setUp()
  await appoint({ number: 2 })
  const wrong = order({ number: 3, operators: [] })
  for (let at = 0; at < 40; at++)
    await t.rejects(carryOut(node, { action: 'appoint', order: wrong }), { name: 'HttpError', status: 409 })
  await appoint({ number: 3, operators: dismissed })
  t.equal(known().number, 3)
})

const hold = ({ node, nodes }: Set, by: TestWallet, at: string) => {
  const facts = { cluster, node: nodes[1]?.nodeId ?? '', number: Date.parse(at), issued: at }
  return carryOut(node, { action: 'hold', order: signedBy(by, composeHold({ ...facts, action: 'hold' })) })
}
const evict = ({ node, nodes }: Set, by: TestWallet, at: string) => {
  const facts = { cluster, node: nodes[2]?.nodeId ?? '', force: 'yes', issued: at } as const
  return carryOut(node, { action: 'evict', order: signedBy(by, composeEviction(facts)) })
}

t.test('an appointed operator holds and evicts', async t => {
  const set = setUp()
  await t.rejects(hold(set, operator, later), { status: 403, message: /no operator/ }, 'not before')
  await set.appoint()
  t.match(await hold(set, operator, later), { status: 'held' })
  t.match(await evict(set, operator, later), { status: 'evicted' })
})

t.test('what a dismissed operator signs later is refused: hold, evict, invite', async t => {
  const set = setUp()
  await set.appoint()
  await set.appoint({ number: 2, operators: dismissed })
  for (const at of [issued, later]) {
    await t.rejects(hold(set, operator, at), { status: 403, message: /no operator/ })
    await t.rejects(evict(set, operator, at), { status: 403, message: /no operator/ })
  }
  const times = { issued: later, expires: '2026-11-27T10:00:00Z' }
  const invited = joinRecord({ operator, voucher: times, grant: times, address: '10.0.0.9' })
  const { refusals } = await set.node.view.hear({
    membership: { ...noMembers, members: [invited] },
    endpoints: [],
  })
  t.match(refusals, [{ why: /no operator/ }])
  t.equal(set.node.view.members().length, 3)
})

t.test('an order to a node is its owner’s alone, also where the signer is an operator', async t => {
  const set = setUp()
  await set.appoint()
  const { node, nodes } = set
  const endpoints = { [nodes[1]?.nodeId ?? '']: '192.0.2.9:51820' }
  const text = composeOrder({
    ...{ node: node.record.nodeId, action: 'endpoints', arguments: endpoints },
    ...{ number: node.record.lastOrder + 1, expires: '2999-01-01T00:00:00Z' },
  })
  const command = { action: 'endpoints', endpoints, order: signedBy(operator, text) } as const
  await t.rejects(carryOut(node, command), { status: 403, message: /not the owner/ })
})

t.test('commandSchema takes both actions', async t => {
  const { order } = setUp()
  t.ok(commandSchema.safeParse({ action: 'appoint', order: order() }).success)
  t.ok(commandSchema.safeParse({ action: 'operators' }).success)
})
