import { randomBytes } from 'node:crypto'
import t from 'tap'
import { unlockDesk, type UnlockWith } from '../../../agent/command/unlock.ts'
import { ProgramError } from '../../../agent/system/run.ts'
import { formatTime, fromBase64url } from '../../../protocol/fields.ts'
import { composeOrder, type Order } from '../../../protocol/order.ts'
import {
  unlockContext,
  type UnlockOffer,
  unlockOfferSchema,
  type UnlockRequest,
} from '../../../protocol/requests.ts'
import { sealTo } from '../../../protocol/seal.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'
import { sampleEnrollment } from '../unlock/node-samples.ts'

const wallet = randomBytes(32)
const owner = addressOf(publicKeyOf(wallet))
const { record: sample, escrow } = sampleEnrollment()
const record = { ...sample, owner, lastOrder: 6 }
const secret = randomBytes(32)
const from = '10.0.0.254'

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
  const offer = unlockOfferSchema.parse(desk.offer(from))
  t.equal(offer.number, 6)
  await desk.accept(requestFor(offer))
  t.equal(opened.length, 1)
  t.same(opened[0]?.copy, secret)
  t.equal(opened[0]?.number, 7)
  t.ok(opened[0]?.secret.equals(Buffer.alloc(32)))
})

const past = formatTime(new Date(Date.now() - 1000))
const other = world().desk.offer(from)
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
    await t.rejects(desk.accept(requestFor(desk.offer(from), changes)), { status: 403, message })
    t.same(opened, [])
    await t.resolves(desk.accept(requestFor(desk.offer(from))))
  })

const noBox = [
  ['a box too short', 'AAAA'],
  ['a box of low order', Buffer.alloc(92).toString('base64url')],
] as const
for (const [why, box] of noBox)
  t.test(`refused with 403: ${why}`, async t => {
    const { desk } = world()
    await t.rejects(desk.accept({ ...requestFor(desk.offer(from)), box }), {
      status: 403,
      message: /does not open/,
    })
  })

t.test('what deep arguments do to the parser is a refusal too', async t => {
  const { desk } = world()
  const request = requestFor(desk.offer(from))
  const deep = `${'['.repeat(7000)}${']'.repeat(7000)}`
  const text = request.order.text.replace(/arguments: .*/, `arguments: {"nonce":${deep}}`)
  const order = { text, signature: signText(text, wallet) }
  await t.rejects(desk.accept({ ...request, order }), { status: 403, message: /./ })
})

t.test('a nonce serves once, also when the first use failed', async t => {
  const { desk, opened } = world()
  const offer = desk.offer(from)
  await desk.accept(requestFor(offer))
  await t.rejects(desk.accept(requestFor(offer)), { status: 403, message: /used, old/ })
  const spoilt = desk.offer(from)
  await t.rejects(desk.accept(requestFor(spoilt, { boxNonce: other.nonce })), { status: 403, message: /./ })
  await t.rejects(desk.accept(requestFor(spoilt)), { status: 403, message: /used, old/ })
  t.equal(opened.length, 1)
})

t.test('a stranger who saw a nonce cannot use it up', async t => {
  const { desk } = world()
  const offer = desk.offer(from)
  await t.rejects(desk.accept(requestFor(offer, { key: randomBytes(32) })), { status: 403, message: /./ })
  await t.resolves(desk.accept(requestFor(offer)))
})

t.test('an offer ends after two minutes', async t => {
  let now = 0
  const { desk } = world({ nowMs: () => now })
  const [late, good] = [desk.offer(from), desk.offer(from)]
  now = 120_000
  await t.resolves(desk.accept(requestFor(good)))
  now = 120_001
  await t.rejects(desk.accept(requestFor(late)), { status: 403, message: /used, old/ })
})

t.test('who asks often pushes out only what he was offered himself', async t => {
  const { desk } = world()
  const first = desk.offer(from)
  const pushed = desk.offer('10.0.0.9')
  for (let asked = 0; asked < 100; asked++) desk.offer('10.0.0.9')
  await t.rejects(desk.accept(requestFor(pushed)), { status: 403, message: /./ })
  await t.resolves(desk.accept(requestFor(first)))
})

t.test('there are 64 offers at most', async t => {
  const { desk } = world()
  const first = desk.offer(from)
  const second = desk.offer(from)
  for (let at = 0; at < 63; at++) desk.offer(`10.0.1.${at}`)
  await t.rejects(desk.accept(requestFor(first)), { status: 403, message: /./ })
  await t.resolves(desk.accept(requestFor(second)))
})

t.test('of two at once the second is turned away with 409', async t => {
  const end = Promise.withResolvers<undefined>()
  const { desk } = world({ open: () => end.promise })
  const offers = [desk.offer(from), desk.offer(from), desk.offer(from)] as const
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
    await t.rejects(desk.accept(requestFor(desk.offer(from))), { status, message })
    t.ok(seen[0]?.equals(Buffer.alloc(32)))
    await t.resolves(desk.accept(requestFor(desk.offer(from))))
    t.ok(seen[1]?.equals(Buffer.alloc(32)))
  })
