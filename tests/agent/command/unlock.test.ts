import { randomBytes } from 'node:crypto'
import t from 'tap'
import { unlockDesk, type UnlockWith } from '../../../agent/command/unlock.ts'
import { ProgramError } from '../../../agent/system/run.ts'
import { formatTime, fromBase64url, toBase64url } from '../../../protocol/fields.ts'
import { publicOf } from '../../../protocol/keys.ts'
import { composeOrder, type Order } from '../../../protocol/order.ts'
import { sealTo } from '../../../protocol/seal.ts'
import {
  isOfferOf,
  unlockContext,
  type UnlockOffer,
  unlockOfferSchema,
  type UnlockRequest,
} from '../../../protocol/unlock.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'
import { sampleEnrollment } from '../unlock/node-samples.ts'

const wallet = randomBytes(32)
const owner = addressOf(publicKeyOf(wallet))
const { record: sample, escrow } = sampleEnrollment()
const record = { ...sample, owner, lastOrder: 6 }
const secret = randomBytes(32)

type Opened = { readonly secret: Buffer; readonly copy: Buffer; readonly number: number }

function world(changes: Partial<UnlockWith> = {}) {
  const opened: Opened[] = []
  const open = (lent: Buffer, number: number) => {
    opened.push({ secret: lent, copy: Buffer.from(lent), number })
    return Promise.resolve()
  }
  return { desk: unlockDesk({ record, escrow, open, ...changes }), opened }
}

type Changes = {
  readonly order?: Partial<Order>
  readonly key?: Uint8Array
  /** The nonce that the box is bound to. */
  readonly boxNonce?: string
  readonly boxKey?: string
  readonly secret?: Uint8Array
}

/** What `orama node unlock` sends for an offer, changed as told. */
function requestFor(offer: UnlockOffer, changes: Changes = {}): UnlockRequest {
  const text = composeOrder({
    node: record.nodeId,
    action: 'unlock',
    arguments: { nonce: offer.nonce },
    number: 7,
    expires: formatTime(new Date(Date.now() + 60_000)),
    ...changes.order,
  })
  const context = unlockContext({ nodeId: record.nodeId, nonce: changes.boxNonce ?? offer.nonce })
  return {
    order: { text, signature: signText(text, changes.key ?? wallet) },
    box: sealTo(fromBase64url(changes.boxKey ?? offer.oneTimeKey), context, changes.secret ?? secret),
  }
}

t.test('the secret of the owner reaches the volume, with the number of the order, and is wiped', async t => {
  const { desk, opened } = world()
  const offer = unlockOfferSchema.parse(await desk.offer())
  t.equal(offer.number, 6)
  await desk.accept(requestFor(offer))
  t.equal(opened.length, 1)
  t.same(opened[0]?.copy, secret)
  t.equal(opened[0]?.number, 7)
  t.ok(opened[0]?.secret.equals(Buffer.alloc(32)))
})

const past = formatTime(new Date(Date.now() - 1000))
const other = await world().desk.offer()
const refusals: readonly (readonly [string, Changes, RegExp])[] = [
  ['an order of another wallet', { key: randomBytes(32) }, /not the owner/],
  ["another node's order", { order: { node: 'naaaaaaaaaaaaaaaa' } }, /is for node/],
  ['an order for something else', { order: { action: 'acknowledge' } }, /not 'unlock'/],
  ['a number that is used', { order: { number: 6 } }, /number 6 is used/],
  ['an order that has expired', { order: { expires: past } }, /expired/],
  ['an order without nonce', { order: { arguments: {} } }, /nonce/],
  ['a nonce that is no text', { order: { arguments: { nonce: { a: 1 } } } }, /nonce/],
  ['the nonce of another node', { order: { arguments: { nonce: other.nonce } } }, /nonce/],
  ['a nonce by a name of every object', { order: { arguments: { nonce: '__proto__' } } }, /nonce/],
  ['a box for another nonce', { boxNonce: other.nonce }, /does not open/],
  ['a box for another key', { boxKey: other.oneTimeKey }, /does not open/],
  ['a secret of 31 bytes', { secret: randomBytes(31) }, /31 bytes/],
  ['a secret of 64 bytes', { secret: randomBytes(64) }, /64 bytes/],
  ['no secret', { secret: Buffer.alloc(0) }, /0 bytes/],
]

for (const [why, changes, message] of refusals)
  t.test(`refused with 403, and the node waits on: ${why}`, async t => {
    const { desk, opened } = world()
    await t.rejects(desk.accept(requestFor(await desk.offer(), changes)), { status: 403, message })
    t.same(opened, [])
    await t.resolves(desk.accept(requestFor(await desk.offer())))
  })

const noBox = [
  ['a box too short', 'AAAA'],
  ['a box of low order', Buffer.alloc(92).toString('base64url')],
] as const
for (const [why, box] of noBox)
  t.test(`refused with 403: ${why}`, async t => {
    const { desk } = world()
    await t.rejects(desk.accept({ ...requestFor(await desk.offer()), box }), {
      status: 403,
      message: /does not open/,
    })
  })

t.test('what deep arguments do to the parser is a refusal too', async t => {
  const { desk } = world()
  const request = requestFor(await desk.offer())
  const deep = `${'['.repeat(7000)}${']'.repeat(7000)}`
  const text = request.order.text.replace(/arguments: .*/, `arguments: {"nonce":${deep}}`)
  const order = { text, signature: signText(text, wallet) }
  await t.rejects(desk.accept({ ...request, order }), { status: 403, message: /./ })
})

t.test('a nonce serves once, also when the first use failed', async t => {
  const { desk, opened } = world()
  const offer = await desk.offer()
  await desk.accept(requestFor(offer))
  await t.rejects(desk.accept(requestFor(offer)), { status: 403, message: /used, old/ })
  const spoilt = await desk.offer()
  await t.rejects(desk.accept(requestFor(spoilt, { boxNonce: other.nonce })), { status: 403, message: /./ })
  await t.rejects(desk.accept(requestFor(spoilt)), { status: 403, message: /used, old/ })
  t.equal(opened.length, 1)
})

t.test('a stranger who saw a nonce cannot use it up', async t => {
  const { desk } = world()
  const offer = await desk.offer()
  await t.rejects(desk.accept(requestFor(offer, { key: randomBytes(32) })), { status: 403, message: /./ })
  await t.resolves(desk.accept(requestFor(offer)))
})

t.test('an offer ends after two minutes', async t => {
  let now = 0
  const { desk } = world({ nowMs: () => now })
  const [late, good] = [await desk.offer(), await desk.offer()]
  now = 120_000
  await t.resolves(desk.accept(requestFor(good)))
  now = 120_001
  await t.rejects(desk.accept(requestFor(late)), { status: 403, message: /used, old/ })
})

t.test('however often others ask, an offer stays good', async t => {
  const { desk } = world()
  const first = await desk.offer()
  const others = await Promise.all(Array.from({ length: 200 }, () => desk.offer()))
  t.equal(new Set([first, ...others].map(one => one.oneTimeKey)).size, 201)
  await t.resolves(desk.accept(requestFor(first)))
})

t.test('an offer is signed by the node, each field of it', async t => {
  const { desk } = world()
  const offer = await desk.offer()
  const identity = toBase64url(publicOf('ed25519', fromBase64url(record.identityPrivate)))
  t.ok(isOfferOf(offer, identity))
  t.notOk(isOfferOf(offer, toBase64url(randomBytes(32))), 'another node')
  const changed: readonly Partial<UnlockOffer>[] = [
    { nodeId: 'naaaaaaaaaaaaaaaa' },
    { escrow: { ...escrow, number: 9 } },
    { oneTimeKey: other.oneTimeKey },
    { nonce: other.nonce },
    { number: 7 },
    { signature: other.signature },
  ]
  for (const change of changed)
    t.notOk(isOfferOf({ ...offer, ...change }, identity), Object.keys(change).join())
})

t.test('a nonce whose time somebody moved opens nothing', async t => {
  let now = 0
  const { desk, opened } = world({ nowMs: () => now })
  const offer = await desk.offer()
  now = 130_000
  const bytes = fromBase64url(offer.nonce)
  Buffer.from(bytes.buffer, bytes.byteOffset, 16).writeUIntBE(now, 10, 6)
  const moved = { ...offer, nonce: toBase64url(bytes) }
  await t.rejects(desk.accept(requestFor(moved)), { status: 403, message: /does not open/ })
  t.same(opened, [])
})

t.test('a desk that is closed offers and takes nothing', async t => {
  const { desk, opened } = world()
  const offer = await desk.offer()
  desk.close()
  await t.rejects(desk.offer(), { status: 409, message: /open already/ })
  await t.rejects(desk.accept(requestFor(offer)), { status: 409, message: /open already/ })
  t.same(opened, [])
})

t.test('of two at once the second is turned away with 409', async t => {
  const end = Promise.withResolvers<undefined>()
  const { desk } = world({ open: () => end.promise })
  const offers = [await desk.offer(), await desk.offer(), await desk.offer()] as const
  const first = desk.accept(requestFor(offers[0]))
  await t.rejects(desk.accept(requestFor(offers[1])), { status: 409, message: /under way/ })
  end.resolve(undefined)
  await first
  await t.resolves(desk.accept(requestFor(offers[2])), 'and the desk can be used again')
})

const failures = [
  ['a wrong key', new ProgramError('cryptsetup: status 2', 2), 403, /does not open the volume/],
  ['a broken disk', new ProgramError('cryptsetup: status 4', 4), 409, /cannot be used: cryptsetup: status 4/],
  ['a token of last week', new RangeError('old record'), 409, /old record/],
] as const

for (const [why, cause, status, message] of failures)
  t.test(`${why} is told with ${status}, the secret wiped, the desk open`, async t => {
    const seen: Buffer[] = []
    const { desk } = world({
      open: lent => {
        seen.push(lent)
        return seen.length === 1 ? Promise.reject(cause) : Promise.resolve()
      },
    })
    await t.rejects(desk.accept(requestFor(await desk.offer())), { status, message })
    t.ok(seen[0]?.equals(Buffer.alloc(32)))
    await t.resolves(desk.accept(requestFor(await desk.offer())))
    t.ok(seen[1]?.equals(Buffer.alloc(32)))
  })
