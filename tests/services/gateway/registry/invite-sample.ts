import type { Test } from 'tap'
import { composeVoucher, type Voucher } from '../../../../protocol/cluster/voucher.ts'
import { type Invites, invitesOf } from '../../../../services/gateway/registry/invites.ts'
import { authority, cluster, signedBy, trust } from '../../../protocol/cluster/sample.ts'
import { after, hash, now, type Pair } from './backend.ts'

export const tokenHash = hash(1)
export const [first, second] = [hash(0xa), hash(0xb)]
export const until = after(15)

export const voucher = (changes: Partial<Voucher> = {}, by = authority) =>
  signedBy(
    by,
    composeVoucher({
      cluster,
      tokenHash,
      issued: '2026-11-21T08:00:00Z',
      expires: '2026-11-21T09:00:00Z',
      ...changes,
    }),
  )
export const invite = voucher()

/** Both gateways' invites, with one that is open. */
export async function opened(t: Test, [a, b]: Pair): Promise<readonly [Invites, Invites]> {
  const invites = [invitesOf(a), invitesOf(b)] as const
  t.equal(await invites[0].add(invite, { trust, now }), 'stored')
  return invites
}

/** What may have happened to an invite before. */
export const steps: Readonly<Record<string, (invites: Invites) => Promise<unknown>>> = {
  reserved: invites => invites.reserve({ tokenHash, hello: first, until }, now),
  spent: async invites => {
    await invites.reserve({ tokenHash, hello: first, until }, now)
    await invites.spend({ tokenHash, hello: first }, now)
  },
  released: async invites => {
    await invites.reserve({ tokenHash, hello: first, until }, now)
    await invites.release({ tokenHash, hello: first }, now)
  },
  revoked: invites => invites.revoke(tokenHash, now),
  'reserved, then revoked': async invites => {
    await invites.reserve({ tokenHash, hello: first, until }, now)
    await invites.revoke(tokenHash, now)
  },
  open: async () => Promise.resolve(),
}
