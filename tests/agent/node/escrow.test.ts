import t from 'tap'
import { carryOut } from '../../../agent/node/acts.ts'
import { composeEviction, evicted } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import type { Opening } from '../../../protocol/shares/opening.ts'
import { authority, cluster, newNode, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'
import { closed, type Ordered, orderOf, type Refusal, wrongOrders } from './order-rows.ts'

const owner = newWallet()
const escrow: Opening = { kind: 'escrow', keyslot: 0, number: 1 }
const shares: Opening = {
  kind: 'shares',
  keyslot: 1,
  epoch: {
    ...newEpochId(1),
    threshold: 3,
    made: '2026-11-27T08:00:00Z',
    holders: [1, 2, 3].map(x => ({
      node: newNode().nodeId,
      x,
      salt: 'A'.repeat(22),
      hash: 'A'.repeat(43),
    })),
  },
}

function setUp(count = 4, current = shares) {
  const side = memberNode(count, { owner: owner.address, openings: { current } })
  side.node.care = {
    goodbye: () => Promise.resolve(),
    trouble: () => undefined,
    renew: () => Promise.resolve(),
    isChanging: () => false,
    takeBack: () => Promise.resolve(void side.did.push('take back')),
  }
  const facts = { node: side.node.record.nodeId, action: 'escrow', arguments: {} } as const
  const order = orderOf(facts, owner)
  const take: Ordered['take'] = (...changes) =>
    carryOut(side.node, { action: 'escrow', order: order(...changes) })
  return { ...side, take }
}

t.test('the owner takes the secret back; the order is stored first', async t => {
  const { take, did } = setUp()
  t.same(await take(), { status: 'escrow' })
  t.same(did, ['store 1', 'take back'])
})

t.test('of an evicted node it is taken back whoever else is there', async t => {
  const { node, take, did } = setUp(7)
  const { nodeId } = node.record
  const text = composeEviction({ cluster, node: nodeId, force: 'no', issued: '2026-11-27T08:00:00Z' })
  const departures = [evicted(nodeId, signedBy(authority, text))]
  await node.view.hear({ membership: { ...noMembers, departures }, endpoints: [] })
  await take()
  t.equal(did.at(-1), 'take back')
})

type Set = ReturnType<typeof setUp>
const refused: readonly (readonly [...Refusal<Set>, set?: Set])[] = [
  ...wrongOrders('escrow'),
  ...closed,
  [
    'a rekey that is under way, or has stopped',
    ({ node, take }) => {
      node.rekey = { state: 'stopped', percent: 40, stop: () => Promise.resolve() }
      return take()
    },
    409,
  ],
  ['five guardians', ({ take }) => take(), 409, setUp(6)],
  ['an escrow', ({ take }) => take(), 409, setUp(4, escrow)],
]
for (const [why, act, status, set = setUp()] of refused)
  t.test(`refused with ${status}, and the order stays unused: ${why}`, async t => {
    await t.rejects(act(set), { name: 'HttpError', status })
    t.same(set.did, [])
  })

t.test('the same order twice is carried out once', async t => {
  const { take, did } = setUp()
  await take()
  await t.rejects(take(), { name: 'HttpError', status: 403, message: /number 1 is used/ })
  t.same(did, ['store 1', 'take back'])
})
