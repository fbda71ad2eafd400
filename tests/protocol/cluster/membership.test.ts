import { randomBytes } from 'node:crypto'
import t from 'tap'
import { composeEviction, type Departure, evicted, signLeaving } from '../../../protocol/cluster/departure.ts'
import { isEndpointOf, signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import {
  emptyMembership,
  isHeld,
  type MembershipRecords,
  merge,
  present,
  recordsOf,
  restore,
} from '../../../protocol/cluster/membership.ts'
import {
  composeAppointment,
  mayVouch,
  parseAppointment,
  type Operator,
} from '../../../protocol/cluster/trust.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
  type TestNode,
  type TestWallet,
} from './sample.ts'

const none: MembershipRecords = { members: [], departures: [] }
const known = emptyMembership({ cluster, authority: authority.address })
const [first, second, third] = [newNode(), newNode(), newNode()]
const genesis = genesisRecord({ node: first })
const joined = joinRecord({ node: second, address: '10.0.0.2' })
const cluster2 = merge(known, { ...none, members: [genesis, joined] }).membership
const ids = (membership: typeof known) => present(membership).map(one => one.nodeId)
const at = '2026-11-22T08:00:00Z'
const before = '2026-11-22T07:59:59Z'
const leaving = (node: TestNode, by = node.keys.lease, of = cluster): Departure =>
  signLeaving({ cluster: of, node: node.nodeId, at }, by.privateKey)
const evicting = (node: TestNode, by: TestWallet, changes: object = {}): Departure =>
  evicted(
    node.nodeId,
    signedBy(by, composeEviction({ cluster, node: node.nodeId, force: 'no', issued: at, ...changes })),
  )

t.test('merge() ends with the same members in whatever order and how often records come', async t => {
  const last = joinRecord({ node: third, address: '10.0.0.3' })
  const pieces: MembershipRecords[] = [
    { ...none, members: [genesis] },
    { ...none, members: [joined, last] },
    { ...none, members: [last, joined, genesis] },
    { ...none, departures: [leaving(second)] },
  ]
  const orders = [
    [0, 1, 2, 3],
    [2, 3, 1, 0],
    [1, 0, 3, 2, 3],
    [3, 2, 3],
  ]
  for (const order of orders) {
    let membership = known
    for (const at of order) membership = merge(membership, pieces[at] ?? none).membership
    t.same(ids(membership), [first.nodeId, third.nodeId].toSorted())
  }
})

t.test('what recordsOf() passes on is taken without a refusal', async t => {
  const departed = merge(cluster2, { ...none, departures: [leaving(second)] }).membership
  const again = merge(known, recordsOf(departed))
  t.same(again.refusals, [])
  t.same(ids(again.membership), [first.nodeId])
  t.same(restore(recordsOf(departed), departed.trust), departed)
})

const token = randomBytes(32)
const withToken = merge(cluster2, {
  ...none,
  members: [joinRecord({ node: third, token, address: '10.0.0.3' })],
}).membership
const stranger = newWallet()

const refused: readonly (readonly [string, Partial<MembershipRecords>, RegExp])[] = [
  ['an invented member', { members: [joinRecord({ operator: stranger })] }, /no operator/],
  [
    'a member with the address of another',
    { members: [joinRecord({ address: '10.0.0.2' })] },
    /has its address/,
  ],
  [
    'a member whose older grant claims an address',
    { members: [joinRecord({ address: '10.0.0.2', grant: { issued: '2026-11-21T08:00:00Z' } })] },
    /has its address/,
  ],
  [
    'a second node of one invite',
    { members: [joinRecord({ token, address: '10.0.0.9' })] },
    /invite was used/,
  ],
  [
    'another record of a member',
    { members: [joinRecord({ node: second, address: '10.0.0.9' })] },
    /another record/,
  ],
  ['the leave of a node by another', { departures: [leaving(second, first.keys.lease)] }, /did not sign it/],
  [
    'the leave of a node by a copy of its disk',
    { departures: [leaving(second, second.keys.identity)] },
    /did not sign/,
  ],
  [
    'a leave from another cluster',
    { departures: [leaving(second, second.keys.lease, '0b'.repeat(16))] },
    /another cluster/,
  ],
  ['the leave of a stranger', { departures: [leaving(newNode())] }, /nobody knows/],
  ['an eviction by a stranger', { departures: [evicting(second, stranger)] }, /no operator/],
  [
    'an eviction of another',
    { departures: [evicting(second, authority, { node: first.nodeId })] },
    /another node/,
  ],
  [
    'an eviction from another cluster',
    { departures: [evicting(second, authority, { cluster: '0b'.repeat(16) })] },
    /another node or cluster/,
  ],
  ['an appointment by a stranger', { appointment: appointment(stranger, []) }, /the authority is/],
  [
    'an appointment of another cluster',
    { appointment: appointment(authority, [], { cluster: '0b'.repeat(16) }) },
    /another cluster/,
  ],
]

for (const [what, records, why] of refused)
  t.test(`merge() refuses ${what}, and says why`, async t => {
    const { membership, refusals } = merge(withToken, { ...none, ...records })
    t.equal(refusals.length, 1)
    t.match(refusals[0]?.why, why)
    t.same(ids(membership), ids(withToken))
  })

t.test('a bad record does not keep the good ones beside it out', async t => {
  const bad = joinRecord({ operator: stranger })
  const { membership, refusals } = merge(known, { ...none, members: [bad, genesis] })
  t.same([ids(membership), refusals.length], [[first.nodeId], 1])
})

t.test('an evicted member stays out, its address is free, its invite is not', async t => {
  const out = merge(withToken, { ...none, departures: [evicting(third, authority)] }).membership
  t.notOk(ids(out).includes(third.nodeId))
  const again = merge(out, { ...none, members: [joinRecord({ node: third, token, address: '10.0.0.3' })] })
  t.notOk(ids(again.membership).includes(third.nodeId))
  const heir = newNode()
  const moved = merge(out, { ...none, members: [joinRecord({ node: heir, address: '10.0.0.3' })] })
  t.ok(ids(moved.membership).includes(heir.nodeId))
  t.match(
    merge(out, { ...none, members: [joinRecord({ token, address: '10.0.0.4' })] }).refusals[0]?.why,
    /invite was used/,
  )
})

function appointment(by: TestWallet, operators: readonly Operator[], changes: object = {}) {
  return signedBy(by, composeAppointment({ cluster, number: 1, operators, issued: at, ...changes }))
}

t.test('an appointed operator invites and evicts, until it is retired', async t => {
  const operator = newWallet()
  const appointed = merge(cluster2, {
    ...none,
    appointment: appointment(authority, [{ address: operator.address }]),
  }).membership
  const node = newNode()
  const more = merge(appointed, { ...none, members: [joinRecord({ node, operator, address: '10.0.0.5' })] })
  t.ok(ids(more.membership).includes(node.nodeId))
  const retired = [{ address: operator.address, retired: at }]
  const later = merge(more.membership, {
    ...none,
    appointment: appointment(authority, retired, { number: 2 }),
  })
  t.ok(ids(later.membership).includes(node.nodeId), 'whom it invited stays')
  t.match(
    merge(later.membership, { ...none, departures: [evicting(node, operator)] }).refusals[0]?.why,
    /no operator/,
  )
  const replayed = merge(later.membership, {
    ...none,
    appointment: appointment(authority, [{ address: operator.address }]),
  })
  t.equal(mayVouch(replayed.membership.trust, operator.address, at), false, 'an old list changes nothing')
  const vanished = merge(later.membership, {
    ...none,
    appointment: appointment(authority, [], { number: 3 }),
  })
  t.match(vanished.refusals[0]?.why, /do not vanish/)
})

t.test(
  'who learns of all only after a dismissal knows whom the operator invited, evicted and held before',
  async t => {
    const operator = newWallet()
    const [guest, gone] = [newNode(), newNode()]
    const invitees = [
      joinRecord({ node: guest, operator, address: '10.0.0.5' }),
      joinRecord({ node: gone, operator, address: '10.0.0.6' }),
    ]
    const held = { cluster, node: second.nodeId, action: 'hold', number: 1, issued: before } as const
    const records: MembershipRecords = {
      appointment: appointment(authority, [{ address: operator.address, retired: at }], { number: 2 }),
      members: [genesis, joined, ...invitees],
      departures: [evicting(gone, operator, { issued: before })],
      holds: [signedBy(operator, composeHold(held))],
    }
    const { membership, refusals } = merge(known, records)
    t.same(refusals, [])
    t.same(ids(membership), [first, second, guest].map(one => one.nodeId).toSorted())
    t.ok(isHeld(membership, second.nodeId))
  },
)

const late = '2026-11-22T08:15:00Z'
const after: readonly (readonly [string, (by: TestWallet) => Partial<MembershipRecords>])[] = [
  [
    'an invite',
    operator => {
      const times = { issued: at, expires: late }
      return { members: [joinRecord({ operator, voucher: times, grant: times, address: '10.0.0.5' })] }
    },
  ],
  ['an eviction', operator => ({ departures: [evicting(second, operator)] })],
  [
    'a hold',
    operator => {
      const facts = {
        cluster,
        node: second.nodeId,
        action: 'hold',
        number: Date.parse(at),
        issued: at,
      } as const
      return { holds: [signedBy(operator, composeHold(facts))] }
    },
  ],
]
for (const [what, records] of after)
  t.test(
    `merge() refuses ${what} that an operator signed in the moment of its dismissal or later`,
    async t => {
      const operator = newWallet()
      const dismissing = appointment(authority, [{ address: operator.address, retired: at }])
      const { membership, refusals } = merge(cluster2, {
        ...none,
        ...records(operator),
        appointment: dismissing,
      })
      t.match(refusals, [{ why: /no operator/ }])
      t.same([ids(membership), membership.holds.size], [ids(cluster2), 0])
      const still = appointment(authority, [{ address: operator.address, retired: late }])
      t.same(merge(cluster2, { ...none, ...records(operator), appointment: still }).refusals, [])
    },
  )

t.test('parseAppointment() reads only what composeAppointment() writes', async t => {
  const list = [{ address: authority.address }, { address: stranger.address, retired: at }]
  const { text } = appointment(authority, list)
  t.same(parseAppointment(text).operators, list)
  t.same(parseAppointment(appointment(authority, []).text).operators, [])
  const wrong = [
    text.replace('number: 1', 'number: 01'),
    text.replace(`@${at}`, `@${at}@${at}`),
    text.replace(authority.address, authority.address.toLowerCase()),
    text.replace(',', ', '),
    text.replace(stranger.address, authority.address),
    text.replace('operators: ', 'operators: none,'),
  ]
  for (const one of wrong) t.throws(() => parseAppointment(one), { name: 'SyntaxError' }, one)
})

t.test('an endpoint counts only from the node itself', async t => {
  const facts = { cluster, node: second.nodeId, number: 3, endpoint: '192.0.2.9:51820' }
  const record = signEndpoint(facts, second.keys.identity.privateKey)
  const of = { hello: second.hello, cluster }
  t.equal(isEndpointOf(record, of), true)
  const wrong = [
    { ...record, endpoint: '192.0.2.10:51820' },
    { ...record, number: 4 },
    signEndpoint(facts, first.keys.identity.privateKey),
    signEndpoint({ ...facts, cluster: '0b'.repeat(16) }, second.keys.identity.privateKey),
  ]
  for (const one of wrong) t.equal(isEndpointOf(one, of), false)
})
