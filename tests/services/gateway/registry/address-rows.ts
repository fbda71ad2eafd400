import {
  type Addresses,
  addressesOf,
  defaultPool,
  type Pool,
} from '../../../../services/gateway/registry/addresses.ts'
import { membersOf } from '../../../../services/gateway/registry/members.ts'
import { authority, cluster, genesisRecord, joinRecord } from '../../../protocol/cluster/sample.ts'
import { after, type Backend, hash, many, now, type Pair, row } from './backend.ts'

const day = 24 * 60
const of = (seed: number, minutes = 0) => ({
  hello: hash(seed),
  tokenHash: hash(1000 + seed),
  until: after(minutes + 15),
})
const ask = (addresses: Addresses, seed: number, minutes = 0) =>
  addresses.allocate(of(seed, minutes), after(minutes))
const both = ([a, b]: Pair, pool?: Pool) => [addressesOf(a, pool), addressesOf(b, pool)] as const
const small: Pool = { network: '10.9.0.0', prefix: 29, reserved: ['10.9.0.4', '10.9.0.6'] }

const badPools: readonly (readonly [string, Pool])[] = [
  ['with host bits', { ...defaultPool, network: '10.0.0.1' }],
  ['that is no address', { ...defaultPool, network: "10.0.0.0'" }],
  ['without hosts', { ...defaultPool, prefix: 31 }],
  ['with half a prefix', { ...defaultPool, prefix: 24.5 }],
  ['of the whole world', { network: '0.0.0.0', prefix: 0, reserved: [] }],
  ['that reserves what is no address', { ...defaultPool, reserved: ['10.0.0.999'] }],
  ['that reserves 257', { ...defaultPool, reserved: many(257, () => '10.0.0.9') }],
]

/** Addresses: each once, and not again before its rest is over. */
export function addressRows(backend: Backend): void {
  row(backend, 'the lowest free address is given, reserved ones never', async (t, pair) => {
    const [a, b] = both(pair, small)
    const given = [await ask(a, 1), await ask(b, 2), await ask(a, 3), await ask(b, 4)]
    t.same(given, ['10.9.0.2', '10.9.0.3', '10.9.0.5', undefined])
    t.same(
      (await b.list(now)).map(one => one.state),
      ['given', 'given', 'given'],
    )
  })

  row(backend, 'by default that is .2 to .253 of 10.0.0.0/24, each once', async (t, pair) => {
    const [a] = both(pair)
    const given = await Promise.all(many(253, at => ask(a, at)))
    const all = many(252, at => `10.0.0.${at + 2}`)
    t.same(given.toSorted(), [...all, undefined].toSorted())
  })

  row(backend, '20 hellos at once through two gateways get 20 addresses', async (t, pair) => {
    const gateways = both(pair)
    const given = await Promise.all(many(20, at => ask(gateways[at % 2] ?? gateways[0], at)))
    t.same(given.toSorted(), many(20, at => `10.0.0.${at + 2}`).toSorted())
  })

  row(backend, '20 requests of one hello at once get one address', async (t, pair) => {
    const gateways = both(pair)
    const given = await Promise.all(many(20, at => (gateways[at % 2] ?? gateways[0]).allocate(of(1), now)))
    t.same([...new Set(given)], ['10.0.0.2'])
    t.equal((await gateways[0].list(now)).length, 1)
  })

  row(backend, 'of 10 hellos at once for the last three addresses three get one', async (t, pair) => {
    const gateways = both(pair, small)
    const given = await Promise.all(many(10, at => ask(gateways[at % 2] ?? gateways[0], at)))
    t.same(given.filter(one => one !== undefined).toSorted(), ['10.9.0.2', '10.9.0.3', '10.9.0.5'])
  })

  row(
    backend,
    'a hello that comes again has its address, before and after it was confirmed or freed',
    async (t, pair) => {
      const [a, b] = both(pair)
      await ask(a, 1)
      await ask(a, 2)
      const again = await b.allocate({ ...of(2, 10), tokenHash: hash(7) }, after(10))
      t.equal(again, '10.0.0.3')
      t.match((await a.list(after(10)))[1], { tokenHash: hash(7), state: 'given' })
      t.equal(await b.confirm(hash(2)), 'confirmed')
      t.equal(await ask(a, 2, 20), '10.0.0.3')
      t.match((await b.list(after(20)))[1], { state: 'confirmed', freeFrom: undefined })
      t.equal(await b.free(hash(2), after(30)), 'resting')
      t.equal(await ask(a, 2, 40), '10.0.0.3')
    },
  )

  row(backend, 'one that was asked for once can be taken back, and another has it', async (t, pair) => {
    const [a, b] = both(pair)
    await ask(a, 1)
    await b.cancel(hash(1))
    t.equal(await a.keptFor(hash(1)), undefined)
    t.equal(await b.allocate(of(2), now), '10.0.0.2')
  })

  row(backend, 'one that was asked for twice, or is confirmed, is not taken back', async (t, pair) => {
    const [a, b] = both(pair)
    await ask(a, 1)
    await ask(b, 1)
    await a.cancel(hash(1))
    await ask(a, 2)
    await a.confirm(hash(2))
    await b.cancel(hash(2))
    t.same(await Promise.all([1, 2].map(seed => a.keptFor(hash(seed)))), ['10.0.0.2', '10.0.0.3'])
  })

  row(backend, 'a freed address rests for 30 days', async (t, pair) => {
    const [a, b] = both(pair)
    await ask(a, 1)
    await a.confirm(hash(1))
    await b.free(hash(1), now)
    t.match((await a.list(now))[0], { state: 'resting', freeFrom: '2026-12-21T08:00:00Z' })
    await b.free(hash(1), after(10 * day))
    t.equal(await ask(a, 2, 30 * day - 1), '10.0.0.3')
    t.equal(await ask(a, 3, 30 * day), '10.0.0.2')
    t.equal(await b.confirm(hash(1)), 'unknown')
    t.equal(await b.free(hash(1), after(30 * day)), 'unknown')
    t.match((await a.list(after(30 * day)))[0], { hello: hash(3), state: 'given' })
  })

  row(backend, 'one that nobody confirmed rests from the end of its grant on', async (t, pair) => {
    const [a] = both(pair)
    await ask(a, 1)
    t.equal((await a.list(after(14)))[0]?.state, 'given')
    t.equal((await a.list(after(15)))[0]?.state, 'resting')
    t.equal(await ask(a, 2, 30 * day + 14), '10.0.0.3')
    t.equal(await ask(a, 3, 30 * day + 15), '10.0.0.2')
  })

  row(backend, 'one that is confirmed late is its own again', async (t, pair) => {
    const [a, b] = both(pair)
    await ask(a, 1)
    t.equal(await b.confirm(hash(1)), 'confirmed')
    t.equal(await ask(b, 2, 60 * day), '10.0.0.3')
  })

  row(backend, 'a member has its address without having asked for it', async (t, pair) => {
    const members = membersOf(pair[0], { cluster, authority: authority.address })
    const records = [genesisRecord({ address: '10.0.0.2' }), joinRecord({ address: '10.0.0.4' })]
    t.same(await members.add({ members: records, departures: [] }, now), [])
    const [, b] = both(pair)
    t.same([await ask(b, 1), await ask(b, 2)], ['10.0.0.3', '10.0.0.5'])
  })

  row(backend, 'what is no hash, no time or unknown is refused', async (t, pair) => {
    const [a] = both(pair)
    for (const name of ['', "' OR 1=1 --", 'é'.repeat(64), '\0'.repeat(64), 'a'.repeat(10_000)]) {
      await t.rejects(a.allocate({ ...of(1), hello: name }, now), { name: 'ZodError' })
      await t.rejects(a.allocate({ ...of(1), tokenHash: name }, now), { name: 'ZodError' })
      await t.rejects(a.confirm(name), { name: 'ZodError' })
      await t.rejects(a.free(name, now), { name: 'ZodError' })
    }
    for (const until of [now, after(-1), after(day), new Date(NaN)])
      await t.rejects(a.allocate({ ...of(1), until }, now), { name: 'RangeError' })
    t.equal(await a.confirm(hash(9)), 'unknown')
    t.equal(await a.free(hash(9), now), 'unknown')
    t.same(await a.list(now), [])
  })

  for (const [what, pool] of badPools)
    row(backend, `a pool ${what} is refused`, async (t, [a]) => {
      t.throws(() => addressesOf(a, pool))
    })
}
