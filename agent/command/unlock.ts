import { randomBytes } from 'node:crypto'
import type { Escrow } from '../../protocol/escrow.ts'
import { toBase64url } from '../../protocol/fields.ts'
import { type KeyPair, newKeyPair } from '../../protocol/keys.ts'
import { verifyOrder } from '../../protocol/order.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { unlockContext, type UnlockOffer, type UnlockRequest } from '../../protocol/requests.ts'
import { openFrom } from '../../protocol/seal.ts'
import { lend } from '../../protocol/secret.ts'
import { HttpError } from '../../http/error.ts'
import { bootTimeMs } from '../system/libc.ts'
import { describe, log } from '../system/log.ts'
import { isWrongSecret } from '../unlock/volume.ts'

const offersMax = 64
/** WireGuard vouches for addresses: no peer can push out what the owner was offered. */
const offersPerAddressMax = 4
const offerMs = 120_000
const secretBytes = 32

export type UnlockDesk = {
  /** What the owner, who asks from this address, needs: the escrow, and a key and nonce that serve once. */
  readonly offer: (from: string) => UnlockOffer
  /** Opens the volume with the sealed secret of an owner's order. Throws HttpError; then the node waits on. */
  readonly accept: (request: UnlockRequest) => Promise<void>
}

export type UnlockWith = {
  readonly record: NodeRecord
  readonly escrow: Escrow
  /** Opens and mounts; the secret is lent. `orderNumber` is stored once the volume is open. */
  readonly open: (secret: Buffer, orderNumber: number) => Promise<void>
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly nowMs?: () => number
}

type Offer = { readonly pair: KeyPair; readonly endsMs: number; readonly from: string }

/** The desk at which a locked node takes its secret: see docs/enrollment.md for both messages. */
export function unlockDesk(node: UnlockWith): UnlockDesk {
  const { nowMs = bootTimeMs } = node
  const offers = new Map<string, Offer>()
  let opening: Promise<void> | undefined
  return {
    offer: from => {
      forgetOld(offers, { from, nowMs: nowMs() })
      const nonce = toBase64url(randomBytes(16))
      const pair = newKeyPair('x25519')
      offers.set(nonce, { pair, endsMs: nowMs() + offerMs, from })
      const { nodeId, lastOrder } = node.record
      const oneTimeKey = toBase64url(pair.publicKey)
      return { nodeId, escrow: node.escrow, oneTimeKey, nonce, number: lastOrder }
    },
    accept: async request => {
      if (opening !== undefined) throw new HttpError(409, 'an unlock is under way', 'wait for its end')
      const { nonce, number } = checkOrder(node.record, request)
      const offer = offers.get(nonce)
      offers.delete(nonce)
      if (offer === undefined || offer.endsMs < nowMs()) {
        offer?.pair.privateKey.fill(0)
        throw new HttpError(403, 'this nonce is used, old or not of this node', 'run the command again')
      }
      opening = openWith(node, { request, nonce, number, privateKey: offer.pair.privateKey })
      try {
        await opening
      } finally {
        opening = undefined
        offer.pair.privateKey.fill(0)
      }
    },
  }
}

/** Makes room for one more: what has expired, then the oldest of this address, then the oldest of all. */
function forgetOld(offers: Map<string, Offer>, { from, nowMs }: { from: string; nowMs: number }): void {
  const forget = ([nonce, { pair }]: readonly [string, Offer]) => {
    pair.privateKey.fill(0)
    offers.delete(nonce)
  }
  ;[...offers].filter(([, offer]) => offer.endsMs < nowMs).forEach(forget)
  const own = [...offers].filter(([, offer]) => offer.from === from)
  own.slice(0, Math.max(0, own.length + 1 - offersPerAddressMax)).forEach(forget)
  ;[...offers].slice(0, Math.max(0, offers.size + 1 - offersMax)).forEach(forget)
}

function checkOrder(record: NodeRecord, request: UnlockRequest): { nonce: string; number: number } {
  try {
    const order = verifyOrder(request.order, {
      nodeId: record.nodeId,
      owner: record.owner,
      action: 'unlock',
      lastNumber: record.lastOrder,
      now: new Date(),
    })
    const nonce = order.arguments['nonce']
    return { nonce: typeof nonce === 'string' ? nonce : '', number: order.number }
  } catch (cause) {
    throw new HttpError(403, describe(cause), 'only the owner of this node can unlock it')
  }
}

type Opening = {
  readonly request: UnlockRequest
  readonly nonce: string
  readonly number: number
  readonly privateKey: Buffer
}

async function openWith(node: UnlockWith, { request, nonce, number, privateKey }: Opening): Promise<void> {
  const { nodeId } = node.record
  let secret: Buffer
  try {
    secret = openFrom(privateKey, unlockContext({ nodeId, nonce }), request.box)
  } catch {
    throw new HttpError(
      403,
      'the box does not open with the one-time key of this nonce',
      'run the command again',
    )
  }
  await lend(secret, async () => {
    if (secret.length !== secretBytes)
      throw new HttpError(
        403,
        `the secret has ${secret.length} bytes, need ${secretBytes}`,
        'run the command again',
      )
    await node.open(secret, number).catch((cause: unknown) => {
      log(`unlock: failed: ${describe(cause)}`)
      if (isWrongSecret(cause))
        throw new HttpError(403, 'this key does not open the volume', 'the node waits on')
      throw new HttpError(
        409,
        `the volume cannot be used: ${describe(cause)}`,
        'nothing was started or changed',
      )
    })
  })
}
