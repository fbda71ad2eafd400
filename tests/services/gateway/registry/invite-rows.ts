import { authority, newWallet, trust } from '../../../protocol/cluster/sample.ts'
import { invitesOf } from '../../../../services/gateway/registry/invites.ts'
import { after, type Backend, hash, now, row } from './backend.ts'
import { first, invite, opened, second, steps, tokenHash, until, voucher } from './invite-sample.ts'

// What was before; who reserves, how many minutes later; what it is told.
const reservations = [
  ['open', first, 0, 'reserved'],
  ['open', first, 59, 'reserved'],
  ['open', first, 60, 'expired'],
  ['reserved', first, 1, 'reserved'],
  ['reserved', first, 15, 'reserved'],
  ['reserved', first, 60, 'expired'],
  ['reserved', second, 1, 'taken'],
  ['reserved', second, 14, 'taken'],
  ['reserved', second, 15, 'reserved'],
  ['reserved', second, 60, 'expired'],
  ['released', first, 1, 'reserved'],
  ['released', second, 1, 'reserved'],
  ['spent', first, 1, 'finished'],
  ['spent', second, 1, 'spent'],
  ['spent', second, 70, 'spent'],
  ['revoked', first, 1, 'revoked'],
  ['reserved, then revoked', first, 1, 'revoked'],
] as const

const spendings = [
  ['open', first, 'not-reserved'],
  ['reserved', second, 'not-reserved'],
  ['released', first, 'not-reserved'],
  ['spent', second, 'not-reserved'],
  ['revoked', first, 'revoked'],
  ['reserved, then revoked', first, 'revoked'],
  ['reserved', first, 'spent'],
  ['spent', first, 'spent'],
] as const

const releases = [
  ['open', first, 'open'],
  ['reserved', first, 'open'],
  ['reserved', second, 'reserved'],
  ['spent', first, 'spent'],
  ['revoked', first, 'revoked'],
] as const

const badNames = [
  '',
  'a',
  hash(1).toUpperCase().replace('1', 'A'),
  `${hash(1)}'`,
  "' OR 1=1 --",
  '\0'.repeat(64),
  'é'.repeat(64),
]

const badVouchers = [
  ['of a stranger', voucher({}, newWallet()), /no operator/],
  ['of another cluster', voucher({ cluster: '0b'.repeat(16) }), /another cluster/],
  ['for a month', voucher({ expires: '2026-12-21T08:00:00Z' }), /at most 168 hours/],
  ['with another text', { ...invite, text: invite.text.replace('09:00', '10:00') }, /no operator/],
  ['that is none', { ...invite, text: "'; DROP TABLE invites; --" }, /Cannot read/],
  ['of 30 KB', { ...invite, text: 'a'.repeat(30_000) }, /too long/],
] as const

/** Invites: each decision once, whoever asks. */
export function inviteRows(backend: Backend): void {
  for (const [before, hello, minutes, answer] of reservations) {
    const who = hello === first ? 'the first' : 'the second'
    row(
      backend,
      `of an invite that is ${before}, ${who} hello is told after ${minutes} minutes: ${answer}`,
      async (t, pair) => {
        const [a, b] = await opened(t, pair)
        await steps[before]?.(a)
        t.equal(await b.reserve({ tokenHash, hello, until: after(minutes + 10) }, after(minutes)), answer)
      },
    )
  }

  for (const [before, hello, answer] of spendings)
    row(
      backend,
      `an invite that is ${before} can be spent by ${hello === first ? 'its' : 'another'} hello: ${answer}`,
      async (t, pair) => {
        const [a, b] = await opened(t, pair)
        await steps[before]?.(a)
        t.equal(await b.spend({ tokenHash, hello }, after(1)), answer)
      },
    )

  for (const [before, hello, state] of releases)
    row(
      backend,
      `an invite that is ${before} is, released by ${hello === first ? 'its' : 'another'} hello, ${state}`,
      async (t, pair) => {
        const [a, b] = await opened(t, pair)
        await steps[before]?.(a)
        t.equal(await b.release({ tokenHash, hello }, after(1)), state)
        t.equal((await a.list(after(1)))[0]?.state, state)
      },
    )

  for (const [what, signed, why] of badVouchers)
    row(backend, `a voucher ${what} is not stored`, async (t, [a]) => {
      await t.rejects(invitesOf(a).add(signed, { trust, now }), why)
      t.same(await invitesOf(a).list(now), [])
    })

  row(backend, 'names that are no hashes are refused, and not repeated', async (t, pair) => {
    const [a] = await opened(t, pair)
    for (const name of badNames) {
      const error = { name: 'ZodError', message: /not 64 lower-case hex digits/ }
      await t.rejects(a.reserve({ tokenHash: name, hello: first, until }, now), error)
      await t.rejects(a.reserve({ tokenHash, hello: name, until }, now), error)
      await t.rejects(a.spend({ tokenHash, hello: name }, now), error)
      await t.rejects(a.release({ tokenHash: name, hello: first }, now), error)
      await t.rejects(a.revoke(name, now), error)
      await t.rejects(a.voucher(name), error)
    }
    t.equal((await a.list(now))[0]?.state, 'open')
  })

  row(backend, 'an invite that nobody issued is unknown, whatever is asked', async (t, pair) => {
    const [a] = await opened(t, pair)
    const of = { tokenHash: hash(2), hello: first }
    t.equal(await a.reserve({ ...of, until }, now), 'unknown')
    t.equal(await a.spend(of, now), 'unknown')
    t.equal(await a.release(of, now), 'unknown')
    t.equal(await a.revoke(of.tokenHash, now), 'unknown')
    t.equal(await a.voucher(of.tokenHash), undefined)
  })

  for (const [what, end] of [
    ['the past', after(-1)],
    ['this very moment', now],
    ['tomorrow', after(24 * 60)],
    ['no time', new Date(NaN)],
  ] as const)
    row(backend, `a reservation until ${what} is refused`, async (t, pair) => {
      const [a] = await opened(t, pair)
      await t.rejects(a.reserve({ tokenHash, hello: first, until: end }, now), { name: 'RangeError' })
      t.equal((await a.list(now))[0]?.state, 'open')
    })

  row(backend, 'the same voucher can come again, another for its token cannot', async (t, pair) => {
    const [a, b] = await opened(t, pair)
    t.equal(await b.add(invite, { trust, now }), 'stored')
    t.equal(await b.add(voucher({ expires: '2026-11-21T10:00:00Z' }), { trust, now }), 'taken')
    t.equal(await b.add(voucher({ tokenHash: hash(3) }), { trust, now: after(60) }), 'expired')
    t.same(await a.voucher(tokenHash), invite)
    t.equal((await a.list(now)).length, 1)
  })

  row(backend, 'who came again in time may go on after the voucher has expired', async (t, pair) => {
    const [a] = await opened(t, pair)
    t.equal(await a.reserve({ tokenHash, hello: first, until: after(70) }, after(50)), 'reserved')
    t.equal(await a.reserve({ tokenHash, hello: first, until: after(75) }, after(65)), 'reserved')
    t.equal(await a.reserve({ tokenHash, hello: second, until: after(75) }, after(65)), 'taken')
    t.equal(await a.spend({ tokenHash, hello: first }, after(80)), 'spent')
  })

  row(backend, 'a reservation that ended is spent late only if nobody came after it', async (t, pair) => {
    const [a, b] = await opened(t, pair)
    await a.reserve({ tokenHash, hello: first, until }, now)
    await b.reserve({ tokenHash, hello: second, until: after(30) }, after(20))
    t.equal(await a.spend({ tokenHash, hello: first }, after(21)), 'not-reserved')
    t.equal(await b.spend({ tokenHash, hello: second }, after(22)), 'spent')
  })

  row(backend, 'what was spent cannot be revoked', async (t, pair) => {
    const [a, b] = await opened(t, pair)
    await steps['spent']?.(a)
    t.equal(await b.revoke(tokenHash, now), 'spent')
    t.equal((await a.list(now))[0]?.state, 'spent')
  })

  row(backend, 'operators see who invited, and no voucher', async (t, pair) => {
    const [a, b] = await opened(t, pair)
    await steps['reserved']?.(a)
    const entry = {
      tokenHash,
      operator: authority.address,
      issued: '2026-11-21T08:00:00Z',
      expires: '2026-11-21T09:00:00Z',
    }
    t.same(await b.list(after(1)), [{ ...entry, state: 'reserved', hello: first }])
    t.same(await b.list(after(20)), [{ ...entry, state: 'open' }])
    t.same(await b.list(after(90)), [{ ...entry, state: 'expired' }])
  })
}
