import type { SignedText } from '../../../protocol/fields.ts'
import { HttpError } from '../../../http/error.ts'
import type { Reservation, Reserved } from '../registry/invites.ts'
import type { Registry } from '../registry/registry.ts'
import { NodeRefusal } from './deliver.ts'
import type { Wanted } from './judge.ts'

/** What is kept for one hello until its grant ends. */
export type Held = Pick<Reservation, 'tokenHash' | 'hello'> & {
  readonly voucher: SignedText
  readonly address: string
}

type HoldWith = { readonly registry: Registry; readonly now: () => Date }

const refusals: Readonly<Record<Exclude<Reserved, 'reserved'>, readonly [status: number, why: string]>> = {
  unknown: [404, 'there is no such invite'],
  taken: [409, 'another enrollment has this invite'],
  spent: [409, 'this invite was used'],
  finished: [409, 'this node has joined by this invite'],
  expired: [410, 'this invite has expired'],
  revoked: [410, 'this invite was taken back'],
}

/** Reserves invite and address for the hello, or finds those that it has. Throws HttpError. */
export async function hold({ registry, now }: HoldWith, wanted: Wanted): Promise<Held> {
  const { hello, until } = wanted
  const { tokenHash } = wanted.grant
  const reservation = { hello, tokenHash, until }
  const reserved = await registry.invites.reserve(reservation, now())
  if (reserved !== 'reserved') {
    const [status, why] = refusals[reserved]
    throw new HttpError(status, why, 'ask an operator for another one')
  }
  const voucher = await registry.invites.voucher(tokenHash)
  const address = await registry.addresses.allocate(reservation, now())
  if (voucher === undefined) throw new Error('Cannot enroll: the registry has lost a voucher')
  if (address === undefined)
    throw new HttpError(
      503,
      'there is no free WireGuard address',
      'those of nodes that left rest for 30 days',
    )
  return { hello, tokenHash, voucher, address }
}

/**
 * Does something that agent or node may refuse, and then gives back at once what no other request has asked for too: the
 * node is as before. Where nobody knows that, all stays until the grant ends, for who asks again; so does what several
 * requests hold, since the node may have joined by another one, and says so itself later.
 */
export async function orRelease<T>(
  { registry, now }: HoldWith,
  { tokenHash, hello }: Held,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    if (isRefusal(cause)) {
      await registry.addresses.cancel(hello)
      await registry.invites.release({ tokenHash, hello }, now())
    }
    throw cause
  }
}

/** The agent refuses with 403, before the node has heard of anything. */
function isRefusal(cause: unknown): boolean {
  return cause instanceof NodeRefusal || (cause instanceof HttpError && cause.status === 403)
}
