import { randomBytes } from 'node:crypto'
import t from 'tap'
import { composeEviction, evicted, signLeaving } from '../../../protocol/cluster/departure.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import {
  emptyMembership,
  leaving,
  type Membership,
  type MembershipRecords,
  merge,
  mergeInSteps,
  noMembers,
  present,
} from '../../../protocol/cluster/membership.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
  type TestNode,
} from './sample.ts'

const at = '2026-11-22T08:00:00Z'
const token = randomBytes(32)
const [first, second, rival] = [newNode(), newNode(), newNode()]
const members = [genesisRecord({ node: first }), joinRecord({ node: second, token })]
const known = merge(emptyMembership({ cluster, authority: authority.address }), { ...noMembers, members })
const leave = (node: TestNode, by = node) =>
  signLeaving({ cluster, node: node.nodeId, at }, by.keys.lease.privateKey)
const evict = ({ nodeId: node }: TestNode, by = authority) =>
  evicted(node, signedBy(by, composeEviction({ cluster, node, force: 'no', issued: at })))
const hold = ({ nodeId: node }: TestNode) =>
  signedBy(authority, composeHold({ cluster, node, action: 'hold', number: 1, issued: at }))
const ids = (membership: Membership) => present(membership).map(one => one.nodeId)
const both = [first.nodeId, second.nodeId].toSorted()

for (const [whose, before] of [
  ['of a member', known.membership],
  ['of who is gone', merge(known.membership, { ...noMembers, departures: [evict(second)] }).membership],
] as const)
  for (const departure of [evict(rival), leave(rival), leave(rival, second)])
    t.test(`who came by the invite ${whose}, and is gone, is passed over: ${departure.kind}`, async t => {
      const news = { members: [joinRecord({ node: rival, token })], departures: [departure] }
      const next = merge(before, { ...news, holds: [hold(rival)] })
      t.same(next.refusals, [])
      t.same(next.membership, before, 'it takes no place either')
      t.same([...next.passedOver], [rival.nodeId])
    })

t.test('beside who is passed over all others count, and are refused', async t => {
  const third = newNode()
  const { membership, refusals } = merge(known.membership, {
    members: [joinRecord({ node: rival, token }), joinRecord({ node: third, address: '10.0.0.3' })],
    departures: [leave(rival), evict(second), leave(newNode())],
    holds: [hold(rival), hold(third), { ...hold(first), text: 'none' }],
  })
  t.same(ids(membership), [first.nodeId, third.nodeId].toSorted())
  t.same([...membership.holds.keys()], [third.nodeId])
  t.match(refusals, [{ why: /nobody knows/ }, { what: 'hold' }])
  t.equal(refusals.length, 2)
})

const taken: readonly (readonly [string, TestNode, string])[] = [
  ['address', rival, '10.0.0.2'],
  ['WireGuard key', withKeyOf(second), '10.0.0.9'],
]

function withKeyOf({ hello: { wireguard } }: TestNode): TestNode {
  const node = newNode()
  return { ...node, hello: { ...node.hello, wireguard } }
}

for (const [what, node, address] of taken) {
  const join = joinRecord({ node, address })
  for (const departure of [evict(node), leave(node)])
    t.test(`with its departure a member is taken whose ${what} another has: ${departure.kind}`, async t => {
      const news = { members: [join], departures: [departure] }
      const { membership, refusals } = merge(known.membership, news)
      t.same(refusals, [])
      t.same([ids(membership), [...membership.departures.keys()]], [both, [node.nodeId]])
      t.same(leaving(membership, new Date(at)), [], 'and is no peer any more')
    })

  const has = new RegExp(`has its ${what}`)
  const refused: readonly (readonly [string, Partial<MembershipRecords>, RegExp])[] = [
    ['no departure', {}, has],
    ['that of another', { departures: [leave(newNode())] }, has],
    ['one that another signed', { departures: [leave(node, second)] }, /did not sign/],
    ['an eviction by a stranger', { departures: [evict(node, newWallet())] }, /no operator/],
  ]
  for (const [which, records, why] of refused)
    t.test(`with ${which} a member is refused whose ${what} another has`, async t => {
      const { membership, refusals } = merge(known.membership, { ...noMembers, members: [join], ...records })
      t.match(refusals[0]?.why, why)
      t.equal(refusals.length, 1 + (records.departures?.length ?? 0))
      t.same(membership, known.membership)
    })

  t.test(`who stops in the middle has no member beside the one whose ${what} it has`, async t => {
    const steps = mergeInSteps(known.membership, { members: [join], departures: [leave(node)] })
    let step = steps.next(false)
    // The appointment, then the member.
    for (let taken = 0; step.done !== true; taken++) step = steps.next(taken === 1)
    t.same(ids(step.value.membership), both)
  })
}

t.test('a member with a departure that does not hold is none: others take it for gone', async t => {
  const newcomer = newNode()
  const members = [joinRecord({ node: newcomer, address: '10.0.0.77' })]
  const departures = [evict(newcomer, newWallet())]
  const { membership, refusals } = merge(known.membership, { members, departures })
  t.match(refusals[0]?.why, /no operator/)
  t.same(membership, known.membership)
  t.equal(merge(known.membership, { ...noMembers, members }).refusals.length, 0, 'by itself it is one')
})

t.test('who left is a peer for a while where nobody else has its address', async t => {
  const { membership } = merge(known.membership, { ...noMembers, departures: [leave(second)] })
  t.same(
    leaving(membership, new Date(at)).map(one => one.nodeId),
    [second.nodeId],
  )
})

t.test('another record of who is gone is no refusal, whoever heard which first', async t => {
  const other = joinRecord({ node: second, address: '10.0.0.9' })
  const gone = merge(known.membership, { members: [other], departures: [evict(second)] })
  t.same([gone.refusals, gone.membership.members.get(second.nodeId)?.address], [[], '10.0.0.2'])
  t.match(merge(known.membership, { ...noMembers, members: [other] }).refusals, [{ why: /another record/ }])
})
