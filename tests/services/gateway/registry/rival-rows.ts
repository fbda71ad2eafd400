import { randomBytes } from 'node:crypto'
import { helloHash } from '../../../../protocol/hello.ts'
import { addressesOf } from '../../../../services/gateway/registry/addresses.ts'
import { authority, joinRecord, newNode, newWallet } from '../../../protocol/cluster/sample.ts'
import { after, type Backend, hash, now, row } from './backend.ts'
import {
  both,
  evicting,
  genesis,
  holding,
  ids,
  insertedAt,
  first,
  known,
  leaving,
  none,
  numbered,
  rowCount,
  second,
} from './member-sample.ts'

const token = randomBytes(32)
const rival = newNode()
const invited = joinRecord({ node: second, token, address: '10.0.0.2' })
const here = [first.nodeId, second.nodeId].toSorted()

/** Two nodes that came by one invite or with one address, of whom an agent knows the other: judged as agents do. */
export function rivalRows(backend: Backend): void {
  for (const departure of [evicting(rival, authority), leaving(rival)])
    row(
      backend,
      `who came by a used invite and is gone (${departure.kind}) is passed over`,
      async (t, pair) => {
        const [a, b] = both(pair)
        await a.add({ ...none, members: [genesis, invited] }, now)
        const members = [joinRecord({ node: rival, token, address: '10.0.0.9' })]
        const holds = [holding(numbered, 'hold', { node: rival })]
        t.same(await b.add({ members, departures: [departure], holds }, now), [])
        t.same([await rowCount(pair), await ids(a)], [2, here])
      },
    )

  const join = joinRecord({ node: rival, address: '10.0.0.2' })
  for (const departure of [evicting(rival, authority), leaving(rival)])
    row(
      backend,
      `who is gone (${departure.kind}) is stored although another has its address`,
      async (t, pair) => {
        const [a, b] = both(pair)
        await a.add({ ...none, members: [genesis, invited] }, now)
        const news = { members: [join], departures: [departure] }
        for (const members of [a, b]) t.same(await members.add(news, now), [])
        t.equal(await rowCount(pair), 3)
        t.same(await known(b), { ...news, members: [genesis, invited, join] })
        t.same(await ids(a), here)
        // As a gateway that begins with what is stored.
        const [again] = both(pair)
        t.same([...(await again.membership()).departures.keys()], [rival.nodeId])
        t.same(await ids(again), here)
      },
    )

  const bad = [
    ['no departure', []],
    ['that of another', [leaving(newNode())]],
    ['one that another signed', [leaving(rival, second)]],
    ['an eviction by a stranger', [evicting(rival, newWallet())]],
  ] as const
  for (const [what, departures] of bad)
    row(backend, `with ${what} who has the address of a member is refused`, async (t, pair) => {
      const [a] = both(pair)
      await a.add({ ...none, members: [genesis, invited] }, now)
      const refusals = await a.add({ members: [join], departures }, now)
      t.match(refusals[0]?.why, /has its address/)
      t.equal(refusals.length, 1 + departures.length)
      t.same([await rowCount(pair), await ids(a)], [2, here])
    })

  row(backend, 'what was kept for who is stored as gone rests, and no other address', async (t, pair) => {
    const [a] = both(pair)
    const addresses = addressesOf(pair[1])
    const allocation = { hello: helloHash(rival.hello), tokenHash: hash(1), until: after(15) }
    t.equal(await addresses.allocate(allocation, now), '10.0.0.2')
    await addresses.confirm(allocation.hello)
    await a.add({ ...none, members: [genesis, invited] }, now)
    await a.add({ members: [join], departures: [leaving(rival)] }, now)
    t.match(await addresses.list(now), [{ address: '10.0.0.2', state: 'resting' }])
  })

  row(backend, 'a row of who is gone that does not prove itself counts for nothing', async (t, pair) => {
    const [a, b] = both(pair)
    await a.add({ ...none, members: [genesis, invited] }, now)
    const forged = JSON.stringify({ member: join, departure: leaving(rival, second) })
    await pair[0].execute([insertedAt(3, ['departure', 'forged', forged])])
    t.equal(await rowCount(pair), 3)
    t.same(await known(b), { ...none, members: [genesis, invited] })
    t.same(await ids(b), here)
  })
}
