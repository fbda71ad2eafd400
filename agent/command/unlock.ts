import { hkdfSync, randomBytes, randomFillSync } from 'node:crypto'
import type { Escrow } from '../../protocol/escrow.ts'
import { fromBase64url, toBase64url } from '../../protocol/fields.ts'
import { publicOf } from '../../protocol/keys.ts'
import { verifyOrder } from '../../protocol/order.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { openFrom } from '../../protocol/seal.ts'
import { lend, moveSecret, secretBuffer } from '../../protocol/secret.ts'
import {
  signUnlockOffer,
  unlockContext,
  type UnlockOffer,
  type UnlockRequest,
} from '../../protocol/unlock.ts'
import { HttpError } from '../../http/error.ts'
import { bootTimeMs } from '../system/libc.ts'
import { describe, log } from '../system/log.ts'
import { isWrongSecret } from '../unlock/volume.ts'

const offerMs = 120_000
const secretBytes = 32

export type UnlockDesk = {
  /** What the owner needs: the escrow, and a key and nonce that serve once; signed. */
  readonly offer: () => Promise<UnlockOffer>
  /** Opens the volume with the sealed secret of an owner's order. Throws HttpError; then the node waits on. */
  readonly accept: (request: UnlockRequest) => Promise<void>
  /** The disk is open: no offer is good any more. */
  readonly close: () => void
}

export type UnlockWith = {
  readonly record: NodeRecord
  readonly escrow: Escrow
  /** Opens and mounts; the secret is lent. `orderNumber` is stored once the volume is open. */
  readonly open: (secret: Buffer, orderNumber: number) => Promise<void>
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly nowMs?: () => number
}

/**
 * The desk at which a locked node takes its secret: see docs/enrollment.md for both messages. Gateways let anybody ask
 * for an offer, so none is kept: the key of each is made of its nonce and a seed, and what is kept is which ones the
 * owner has used.
 */
export function unlockDesk(node: UnlockWith): UnlockDesk {
  const { nowMs = bootTimeMs } = node
  const desk: Desk = { seed: randomFillSync(secretBuffer(32)), usedUntilMs: new Map() }
  let opening: Promise<void> | undefined
  return {
    offer: () => makeOffer(node, desk, nowMs()),
    accept: async request => {
      if (opening !== undefined) throw new HttpError(409, 'an unlock is under way', 'wait for its end')
      const { nonce, number } = checkOrder(node.record, request)
      useOnce(desk, nonce, nowMs())
      opening = lend(keyOf(desk, nonce), key => openWith(node, { request, nonce, number, privateKey: key }))
      try {
        await opening
      } finally {
        opening = undefined
      }
    },
    close: () => {
      desk.seed?.fill(0)
      desk.seed = undefined
    },
  }
}

type Desk = {
  /** 32 bytes; undefined when the desk is closed. */
  seed: Buffer | undefined
  /** By nonce, when its offer ends. */
  readonly usedUntilMs: Map<string, number>
}

/** Of 16 bytes the last six say when the offer was made, in milliseconds since the machine started. */
const nonceBytes = { random: 10, time: 6 } as const

async function makeOffer({ record, escrow }: UnlockWith, desk: Desk, nowMs: number): Promise<UnlockOffer> {
  const time = Buffer.alloc(nonceBytes.time)
  time.writeUIntBE(Math.floor(nowMs), 0, nonceBytes.time)
  const nonce = toBase64url(Buffer.concat([randomBytes(nonceBytes.random), time]))
  const oneTimeKey = await lend(keyOf(desk, nonce), key => toBase64url(publicOf('x25519', key)))
  const { nodeId, lastOrder: number } = record
  const offer = { nodeId, escrow, oneTimeKey, nonce, number }
  return lend(moveSecret(fromBase64url(record.identityPrivate)), identity => signUnlockOffer(offer, identity))
}

/** X25519, 32 bytes, the caller's to wipe. Throws HttpError where the desk is closed. */
function keyOf({ seed }: Desk, nonce: string): Buffer {
  if (seed === undefined) throw new HttpError(409, 'the data is open already', 'there is nothing to unlock')
  return moveSecret(new Uint8Array(hkdfSync('sha256', seed, '', `orama-unlock-key-v1|${nonce}`, 32)))
}

/** Throws HttpError for a nonce that is used, old, or of another node or start: the box of that would not open anyway. */
function useOnce({ usedUntilMs }: Desk, nonce: string, nowMs: number): void {
  for (const [used, untilMs] of usedUntilMs) if (untilMs < nowMs) usedUntilMs.delete(used)
  const bytes = Buffer.from(nonce, 'base64url')
  const isWhole = bytes.length === nonceBytes.random + nonceBytes.time
  const madeMs = isWhole ? bytes.readUIntBE(nonceBytes.random, nonceBytes.time) : Infinity
  const isFresh = madeMs <= nowMs && nowMs <= madeMs + offerMs
  if (!isFresh || usedUntilMs.has(nonce))
    throw new HttpError(403, 'this nonce is used, old or not of this node', 'run the command again')
  usedUntilMs.set(nonce, madeMs + offerMs)
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
  readonly privateKey: Uint8Array
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
