import { randomBytes } from 'node:crypto'
import { type MembershipRecords } from '../../../../protocol/cluster/membership.ts'
import { helloHash } from '../../../../protocol/hello.ts'
import { addressesOf } from '../../../../services/gateway/registry/addresses.ts'
import {
  authority,
  genesisRecord,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
} from '../../../protocol/cluster/sample.ts'
import { after, type Backend, hash, many, now, row } from './backend.ts'
import {
  appointing,
  both,
  evicting,
  first,
  genesis,
  holding,
  ids,
  insertedAt,
  joined,
  known,
  leaving,
  none,
  numbered,
  rowCount,
  second,
  third,
} from './member-sample.ts'

const day = 24 * 60
const token = randomBytes(32)
const stranger = newWallet()
const refused: readonly (readonly [string, Partial<MembershipRecords>, RegExp])[] = [
  ['an invented member', { members: [joinRecord({ operator: stranger })] }, /no operator/],
  ['a genesis of a stranger', { members: [genesisRecord({ owner: stranger })] }, /not the authority/],
  [
    'a member of another cluster',
    { members: [joinRecord({ grant: { cluster: '0b'.repeat(16) } })] },
    /another cluster/,
  ],
  [
    'a member with the address of another',
    { members: [joinRecord({ address: '10.0.0.2' })] },
    /has its address/,
  ],
  [
    'another record of a member',
    { members: [joinRecord({ node: second, address: '10.0.0.9' })] },
    /another record/,
  ],
  [
    'a second node of one invite',
    { members: [joinRecord({ token, address: '10.0.0.9' })] },
    /invite was used/,
  ],
  [
    'a member whose address was moved',
    { members: [{ ...joinRecord(), address: '10.0.0.9' }] },
    /sign for its address/,
  ],
  ['the leave of a node by another', { departures: [leaving(second, first)] }, /did not sign/],
  ['the leave of a stranger', { departures: [leaving(newNode())] }, /nobody knows/],
  ['an eviction by a stranger', { departures: [evicting(second, stranger)] }, /no operator/],
  ['a hold by a stranger', { holds: [holding(numbered, 'hold', { by: stranger })] }, /no operator/],
  ['a hold of a stranger', { holds: [holding(numbered, 'hold', { node: newNode() })] }, /nobody knows/],
  ['a hold that is none', { holds: [signedBy(authority, 'OramaOS hold v1')] }, /./],
  ['an appointment by a stranger', { appointment: appointing(1, [], stranger) }, /the authority is/],
]

const badForms: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['no lists', {}],
  ['an unknown field', { ...none, more: 1 }],
  ['a member with an unknown field', { ...none, members: [{ ...genesis, more: 1 }] }],
  [
    'a text of 40 KB',
    { ...none, members: [{ ...genesis, grant: { ...genesis.grant, text: 'a'.repeat(40_000) } }] },
  ],
  ['300 members', { ...none, members: many(300, () => genesis) }],
]

/** The members' records: only ever added to, and judged as agents judge. */
export function memberRows(backend: Backend): void {
  for (const [what, records, why] of refused)
    row(backend, `${what} is refused with the reason, and not passed on`, async (t, pair) => {
      const [a, b] = both(pair)
      const start = [genesis, joined, joinRecord({ node: third, token, address: '10.0.0.3' })]
      t.same(await a.add({ ...none, members: start }, now), [])
      const refusals = await b.add({ ...none, ...records }, now)
      t.match(refusals, [{ why }])
      t.equal(refusals.length, 1)
      t.equal(await rowCount(pair), 3)
      t.same(await ids(a), [first.nodeId, second.nodeId, third.nodeId].toSorted())
    })

  for (const [what, value] of badForms)
    row(backend, `${what} is no form of records`, async (t, pair) => {
      const [a, b] = both(pair)
      await t.rejects(a.add(value as MembershipRecords, now), { name: 'ZodError' })
      t.same(await known(b), none)
    })

  row(backend, 'what one gateway stored the other knows, each change once', async (t, pair) => {
    const [a, b] = both(pair)
    await a.add({ ...none, members: [genesis] }, now)
    t.same(await known(b), { ...none, members: [genesis] })
    await b.add({ ...none, members: [joined, genesis] }, now)
    t.same(await known(a), { ...none, members: [genesis, joined] })
    await a.add({ ...none, departures: [leaving(second)] }, now)
    t.same(await known(b), { members: [genesis, joined], departures: [leaving(second)] })
    t.equal(await rowCount(pair), 3)
  })

  row(backend, 'what is known already changes nothing', async (t, pair) => {
    const [a, b] = both(pair)
    const records = { ...none, members: [genesis, joined], departures: [leaving(second)] }
    for (const members of [a, b, a]) t.same(await members.add(records, now), [])
    t.equal(await rowCount(pair), 3)
    t.same(await ids(b), [first.nodeId])
  })

  row(backend, 'a bad record does not keep out the good ones beside it', async (t, pair) => {
    const [a, b] = both(pair)
    const bad = joinRecord({ operator: stranger })
    t.equal((await a.add({ ...none, members: [bad, genesis, bad, joined] }, now)).length, 2)
    t.same(await ids(b), [first.nodeId, second.nodeId].toSorted())
  })

  row(
    backend,
    'of 10 members at once with one address, through two gateways, one gets in',
    async (t, pair) => {
      const gateways = both(pair)
      await gateways[0].add({ ...none, members: [genesis] }, now)
      const rivals = many(10, () => joinRecord({ address: '10.0.0.7' }))
      const answers = await Promise.all(
        rivals.map((one, at) => (gateways[at % 2] ?? gateways[0]).add({ ...none, members: [one] }, now)),
      )
      t.equal(answers.filter(refusals => refusals.length === 0).length, 1)
      t.match(
        answers.flat(),
        many(9, () => ({ why: /has its address/ })),
      )
      t.equal(await rowCount(pair), 2)
    },
  )

  row(backend, 'of 6 nodes at once with one invite one gets in', async (t, pair) => {
    const gateways = both(pair)
    const rivals = many(6, at => joinRecord({ token, address: `10.0.0.${at + 10}` }))
    const answers = await Promise.all(
      rivals.map((one, at) => (gateways[at % 2] ?? gateways[0]).add({ ...none, members: [one] }, now)),
    )
    t.equal(answers.filter(refusals => refusals.length === 0).length, 1)
  })

  row(backend, '10 members at once that do not exclude each other all get in', async (t, pair) => {
    const gateways = both(pair)
    const records = many(10, at => joinRecord({ address: `10.0.0.${at + 10}` }))
    const answers = await Promise.all(
      records.map((one, at) => (gateways[at % 2] ?? gateways[0]).add({ ...none, members: [one] }, now)),
    )
    t.same(answers.flat(), [])
    t.equal((await known(gateways[0])).members.length, 10)
  })

  row(backend, 'the address of a member that departs rests, and is its own until then', async (t, pair) => {
    const [a] = both(pair)
    const addresses = addressesOf(pair[1])
    const allocation = { hello: helloHash(second.hello), tokenHash: hash(1), until: after(15) }
    t.equal(await addresses.allocate(allocation, now), '10.0.0.2')
    await addresses.confirm(allocation.hello)
    await a.add({ ...none, members: [genesis, joined] }, now)
    t.equal((await addresses.list(now))[0]?.state, 'confirmed')
    await a.add({ ...none, departures: [evicting(second, authority)] }, now)
    t.match((await addresses.list(now))[0], { state: 'resting', freeFrom: '2026-12-21T08:00:00Z' })
  })

  row(backend, 'so does that of one that nobody asked for here', async (t, pair) => {
    const [a] = both(pair)
    const addresses = addressesOf(pair[1])
    await a.add({ ...none, members: [genesis, joined] }, now)
    await a.add({ ...none, departures: [evicting(second, authority)] }, now)
    const ask = (of: number, minutes: number) =>
      addresses.allocate({ hello: hash(of), tokenHash: hash(of), until: after(minutes + 15) }, after(minutes))
    t.equal(await ask(1, 30 * day - 1), '10.0.0.3')
    t.equal(await ask(2, 30 * day), '10.0.0.2')
  })

  row(backend, 'rows that no gateway wrote count for nothing, and keep nothing out', async (t, pair) => {
    const [a, b] = both(pair)
    await a.add({ ...none, members: [genesis] }, now)
    const forged = [
      ['hold', JSON.stringify(holding(numbered, 'hold', { by: stranger }))],
      ['hold', '{"text":"x","signature":""}'],
      ['member', JSON.stringify(joinRecord({ operator: stranger }))],
      ['member', '{'],
      ['departure', '"\'; DROP TABLE records"'],
      ['departure', JSON.stringify(leaving(first, second))],
    ]
    for (const [at, [kind = '', body = '']] of forged.entries())
      await pair[0].execute([insertedAt(at + 2, [kind, `forged ${at}`, body])])
    t.same(await b.add({ ...none, members: [joined] }, now), [])
    t.equal(await rowCount(pair), 8)
    t.same(await known(a), { ...none, members: [genesis, joined] })
  })
}
