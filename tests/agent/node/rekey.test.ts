import t from 'tap'
import { carryOut } from '../../../agent/node/acts.ts'
import { openingsIn, rekeyStatus } from '../../../agent/node/rekey.ts'
import type { Care } from '../../../agent/shares/care.ts'
import type { LuksHeader } from '../../../agent/unlock/luks-header.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import type { Opening } from '../../../protocol/shares/opening.ts'
import { authority, cluster, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'
import { closed, type Ordered, orderOf, type Refusal, wrongOrders } from './order-rows.ts'

const owner = newWallet()
const issued = '2026-11-27T08:00:00Z'
const escrow: Opening = { kind: 'escrow', keyslot: 0, number: 1 }
const epoch = { ...newEpochId(1), threshold: 3, made: issued, holders: [] }
const shares: Opening = { kind: 'shares', keyslot: 1, epoch }

/** A node of so many members whose secret cannot be renewed: so it is seen whether it came to that. */
function setUp(current = escrow, count = 1) {
  const side = memberNode(count, { owner: owner.address, openings: { current } })
  const renew: Care['renew'] = () => {
    side.did.push('renew')
    return Promise.reject(new Error('no quorum'))
  }
  let isChanging = false
  side.node.care = {
    goodbye: () => Promise.resolve(),
    trouble: () => undefined,
    takeBack: () => Promise.resolve(),
    isChanging: () => isChanging,
    renew,
  }
  const facts = { node: side.node.record.nodeId, action: 'rekey', arguments: {} } as const
  const order = orderOf(facts, owner)
  const take: Ordered['take'] = (...changes) =>
    carryOut(side.node, { action: 'rekey', order: order(...changes) })
  const change = () => {
    isChanging = true
  }
  return { ...side, take, change }
}

t.test('the order is stored, then the secret renewed; where that fails, it can be ordered again', async t => {
  const { node, take, did } = setUp()
  await t.rejects(take(), { name: 'HttpError', status: 409, message: 'no quorum' })
  t.same(did, ['store 1', 'renew'])
  t.same(rekeyStatus(node), {})
  await t.rejects(take(), { status: 403, message: /number 1 is used/ })
  await t.rejects(take({ number: 2 }), { message: 'no quorum' })
})

t.test('of two orders that come at once the second is refused', async t => {
  const { node, take, did } = setUp()
  const { care } = node
  if (care === undefined) throw new Error('no care')
  node.care = { ...care, renew: () => new Promise(() => void did.push('renew')) }
  void take()
  await t.rejects(take({ number: 2 }), { status: 409, message: /new key already/ })
  t.same(did.toSorted(), ['renew', 'store 1', 'store 2'])
})

type Set = ReturnType<typeof setUp>
const refused: readonly (readonly [...Refusal<Set>, set?: Set])[] = [
  ...wrongOrders('rekey'),
  ...closed,
  ['an order to take the secret back', ({ take }) => take({ action: 'escrow' }), 403],
  ['three guardians', ({ take }) => take(), 409, setUp(shares, 4)],
  [
    'a hold',
    async ({ node, take }) => {
      const facts = { cluster, node: node.record.nodeId, action: 'hold', number: 1, issued } as const
      const holds = [signedBy(authority, composeHold(facts))]
      await node.view.hear({ membership: { ...noMembers, holds }, endpoints: [] })
      return take()
    },
    409,
    setUp(shares, 7),
  ],
  [
    'a change that is under way',
    ({ take, change }) => {
      change()
      return take()
    },
    409,
  ],
  [
    'a rekey that is under way, or has stopped',
    ({ node, take }) => {
      node.rekey = { state: 'stopped', percent: 40, stop: () => Promise.resolve() }
      return take()
    },
    409,
  ],
]
for (const [why, act, status, set = setUp()] of refused)
  t.test(`refused with ${status}, and the order stays unused: ${why}`, async t => {
    await t.rejects(act(set), { name: 'HttpError', status })
    t.same(set.did, [])
  })

const headerWith = (...slots: string[]) =>
  ({ metadata: { keyslots: Object.fromEntries(slots.map(slot => [slot, {}])) } }) as unknown as LuksHeader
const next: Opening = { ...escrow, keyslot: 2, number: 2 }
const openings = [
  ['as it is', headerWith('0'), { current: escrow }, { current: escrow }],
  ['the only one that is left', headerWith('1'), { current: escrow }, { current: { ...escrow, keyslot: 1 } }],
  ['as it is where several are left', headerWith('1', '2'), { current: escrow }, { current: escrow }],
  ['as it is in a change', headerWith('1'), { current: escrow, next }, { current: escrow, next }],
] as const

for (const [what, header, before, after] of openings)
  t.test(`openingsIn() names the keyslot: ${what}`, t => {
    t.same(openingsIn(header, before), after)
    t.end()
  })
