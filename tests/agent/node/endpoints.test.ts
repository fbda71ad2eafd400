import t from 'tap'
import { noteEndpoints } from '../../../agent/node/endpoints.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { commandSchema } from '../../../protocol/requests.ts'
import { cluster, newNode, newWallet } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'
import { type Ordered, orderOf, type Refusal, wrongOrders } from './order-rows.ts'

const owner = newWallet()
const [here, there] = ['192.0.2.9:51820', '192.0.2.10:51820']

function setUp() {
  const side = memberNode(2, { owner: owner.address })
  const other = side.nodes[1] ?? newNode()
  const hints: Record<string, string> = { [other.nodeId]: here }
  const facts = { node: side.node.record.nodeId, action: 'endpoints', arguments: hints } as const
  const order = orderOf(facts, owner)
  const note = (signed = order(), endpoints: Record<string, string> | undefined = hints) =>
    noteEndpoints(side.node, { order: signed, endpoints }, () => Promise.resolve(void side.did.push('peers')))
  const take: Ordered['take'] = (...changes) => note(order(...changes))
  const where = () => side.node.view.peers().find(one => one.nodeId === other.nodeId)?.endpoint
  return { ...side, other, order, note, take, where }
}

t.test('an endpoint by hand counts until the node says where it is, and is told to nobody', async t => {
  const { node, other, note, where, did } = setUp()
  await note()
  t.same([where(), did], [here, ['store 1', 'peers']])
  t.same(node.view.news().endpoints, [])
  const said = { cluster, node: other.nodeId, number: 1, endpoint: there }
  await node.view.hear({
    membership: noMembers,
    endpoints: [signEndpoint(said, other.keys.identity.privateKey)],
  })
  t.equal(where(), there)
})

t.test('a locked node takes it as well, and stores nothing', async t => {
  const { node, note, where, did } = setUp()
  node.machine.dataOpen = false
  await note()
  t.same([where(), did], [here, ['peers']])
})

type Set = ReturnType<typeof setUp>
const stranger = newNode().nodeId
const refused: readonly Refusal<Set>[] = [
  ...wrongOrders('endpoints'),
  [
    'another endpoint than was signed',
    ({ note, order, other }) => note(order(), { [other.nodeId]: there }),
    403,
  ],
  ['no endpoints', ({ note, order }) => note(order(), {}), 400],
  ['no member', ({ note, order }) => note(order(), { [stranger]: here }), 404],
]
for (const dataOpen of [true, false])
  for (const [why, act, status] of refused)
    t.test(`refused with ${status} by a node that is ${dataOpen ? 'open' : 'locked'}: ${why}`, async t => {
      const set = setUp()
      set.node.machine.dataOpen = dataOpen
      await t.rejects(act(set), { name: 'HttpError', status })
      t.same([set.where(), set.did], [undefined, []])
    })

t.test('commandSchema refuses endpoints of no node, and what is no endpoint', async t => {
  const ok = (endpoints: object) => commandSchema.safeParse({ action: 'endpoints', endpoints }).success
  t.same([ok({ [stranger]: here }), ok({ x: here }), ok({ [stranger]: 'host' })], [true, false, false])
  for (const address of ['0.0.0.0', '0.1.2.3', '127.0.0.1', '224.0.0.1', '239.1.1.1', '255.255.255.255'])
    t.notOk(ok({ [stranger]: `${address}:51820` }), address)
  for (const address of ['1.0.0.1', '10.0.0.1', '126.0.0.1', '128.0.0.1', '223.255.255.1'])
    t.ok(ok({ [stranger]: `${address}:51820` }), address)
})
