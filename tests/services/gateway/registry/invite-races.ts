import { addressesOf } from '../../../../services/gateway/registry/addresses.ts'
import type { Database } from '../../../../services/gateway/registry/database.ts'
import { invitesOf } from '../../../../services/gateway/registry/invites.ts'
import { after, type Backend, hash, many, now, row, tally } from './backend.ts'
import { first, opened, second, steps, tokenHash, until } from './invite-sample.ts'

/** Invites for which several ask, at two gateways. */
export function inviteRaces(backend: Backend): void {
  row(backend, 'what was asked for at two gateways is given back by none', async (t, pair) => {
    const [a, b] = await opened(t, pair)
    await steps['reserved']?.(a)
    await steps['reserved']?.(b)
    t.equal(await a.release({ tokenHash, hello: first }, after(1)), 'reserved')
    t.equal(await b.release({ tokenHash, hello: first }, after(1)), 'reserved')
    t.equal(await b.spend({ tokenHash, hello: first }, after(2)), 'spent')
  })

  row(backend, 'who has it after another, and asks once, can give it back', async (t, pair) => {
    const [a, b] = await opened(t, pair)
    await steps['reserved']?.(a)
    await steps['reserved']?.(b)
    await b.reserve({ tokenHash, hello: second, until: after(30) }, after(20))
    t.equal(await a.release({ tokenHash, hello: first }, after(21)), 'reserved')
    t.equal(await a.release({ tokenHash, hello: second }, after(21)), 'open')
  })

  row(backend, 'what was sent again after a lost answer is not given back', async (t, pair) => {
    await opened(t, pair)
    const [a] = pair
    const execute: Database['execute'] = async (...sent) => {
      await a.execute(...sent)
      return a.execute(...sent)
    }
    const twice = { ...a, execute }
    t.equal(await invitesOf(twice).reserve({ tokenHash, hello: first, until }, now), 'reserved')
    t.equal(await addressesOf(twice).allocate({ tokenHash, hello: first, until }, now), '10.0.0.2')
    t.equal(await invitesOf(a).release({ tokenHash, hello: first }, now), 'reserved')
    await addressesOf(a).cancel(first)
    t.equal(await addressesOf(a).keptFor(first), '10.0.0.2')
  })

  row(backend, 'of 20 hellos that reserve one invite at once one gets it', async (t, pair) => {
    const both = await opened(t, pair)
    const reserve = (at: number) =>
      (both[at % 2] ?? both[0]).reserve({ tokenHash, hello: hash(100 + at), until }, now)
    const answers = await Promise.all(many(20, reserve))
    t.same(tally(answers), { reserved: 1, taken: 19 })
    const winner = hash(100 + answers.indexOf('reserved'))
    const spent = await Promise.all(
      many(20, at => (both[at % 2] ?? both[0]).spend({ tokenHash, hello: hash(100 + at) }, now)),
    )
    t.same(tally(spent), { 'not-reserved': 19, spent: 1 })
    t.equal((await both[1].list(now))[0]?.hello, winner)
  })

  row(backend, 'of a spending and a revocation at once one counts', async (t, pair) => {
    const [a, b] = await opened(t, pair)
    await steps['reserved']?.(a)
    const answers = await Promise.all([a.spend({ tokenHash, hello: first }, now), b.revoke(tokenHash, now)])
    const { state } = (await a.list(now))[0] ?? {}
    t.same(answers, state === 'spent' ? ['spent', 'spent'] : ['revoked', 'revoked'])
  })
}
