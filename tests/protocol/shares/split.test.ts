import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newEpochId, isShareOf, noteHolder, epochSchema, epochName } from '../../../protocol/shares/epoch.ts'
import { combineShares, shareBytes, shareX, splitSecret } from '../../../protocol/shares/split.ts'
import { someNodeId } from '../cluster/sample.ts'

const secret = randomBytes(32)
const shares = await splitSecret(secret, { count: 7, threshold: 3 })
const others = await splitSecret(secret, { count: 7, threshold: 3 })
const some = (...places: number[]) => places.map(at => shares[at] ?? Buffer.alloc(0))

t.test('any three of seven shares make the secret, more do too', async t => {
  for (const places of [
    [0, 1, 2],
    [4, 6, 1],
    [6, 5, 4, 3],
    [0, 1, 2, 3, 4, 5, 6],
  ])
    t.same(await combineShares(some(...places)), secret)
})

t.test('shares and secrets lie outside the heap of V8, where they can be wiped', async t => {
  for (const bytes of [...shares, await combineShares(some(0, 1, 2))]) t.ok(bytes.buffer.byteLength >= 4096)
})

const zeroX = Buffer.from(shares[2] ?? '')
zeroX[shareBytes - 1] = 0
const bent = Buffer.from(shares[2] ?? '')
bent[40] = (bent[40] ?? 0) ^ 1

const refused: readonly (readonly [string, readonly Uint8Array[]])[] = [
  ['none', []],
  ['one', some(0)],
  ['two of three', some(0, 1)],
  ['one twice', some(0, 1, 1)],
  ['those of another attempt among them', [...some(0, 1), others[2] ?? zeroX]],
  ['one with x = 0', [...some(0, 1), zeroX]],
  ['one whose padding was changed', [...some(0, 1), bent]],
  ['one that is cut off', [...some(0, 1), (shares[2] ?? zeroX).subarray(0, 40)]],
]

for (const [why, given] of refused)
  t.test(`combineShares() refuses: ${why}`, async t =>
    t.rejects(combineShares(given), { name: 'RangeError' }),
  )

const unsplit = [
  [Buffer.alloc(31), { count: 5, threshold: 3 }],
  [Buffer.alloc(33), { count: 5, threshold: 3 }],
  [secret, { count: 2, threshold: 3 }],
  [secret, { count: 5, threshold: 1 }],
  [secret, { count: 256, threshold: 3 }],
] as const

for (const [bytes, of] of unsplit)
  t.test(`splitSecret() refuses ${bytes.length} bytes, ${of.threshold} of ${of.count}`, async t =>
    t.rejects(splitSecret(bytes, of), { name: 'RangeError' }),
  )

const [node, guardian] = [someNodeId(1), someNodeId(2)]
const epoch = newEpochId(4)
const [share = zeroX] = shares
const holder = noteHolder(share, { node, epoch, guardian })

t.test('a holder is known by its share, in its epoch, of its node, and by no other', async t => {
  t.equal(isShareOf(holder, share, { node, epoch }), true)
  const bent = Buffer.from(share)
  bent[0] = (bent[0] ?? 0) ^ 1
  const wrong = [
    isShareOf(holder, shares[1] ?? zeroX, { node, epoch }),
    isShareOf(holder, bent, { node, epoch }),
    isShareOf(holder, share.subarray(1), { node, epoch }),
    isShareOf(holder, share, { node: guardian, epoch }),
    isShareOf(holder, share, { node, epoch: { ...epoch, number: 5 } }),
    isShareOf(holder, share, { node, epoch: newEpochId(4) }),
    isShareOf({ ...holder, node }, share, { node, epoch }),
  ]
  t.same(
    wrong,
    wrong.map(() => false),
  )
  t.equal(holder.x, shareX(share))
  t.not(noteHolder(share, { node, epoch, guardian }).hash, holder.hash, 'hashes are salted')
})

const holders = shares.map((one, at) => noteHolder(one, { node, epoch, guardian: someNodeId(at) }))
const good = { ...epoch, threshold: 3, made: '2026-11-27T08:00:00Z', holders }
const [one] = holders

const unfit: readonly (readonly [string, object])[] = [
  ['a threshold of 2', { ...good, threshold: 2 }],
  ['more shares needed than there are', { ...good, threshold: 8 }],
  ['one holder twice', { ...good, holders: [...holders, { ...one, x: 255 === one?.x ? 1 : 255 }] }],
  ['one x twice', { ...good, holders: [...holders, { ...one, node: someNodeId(99) }] }],
  ['x = 0', { ...good, holders: [{ ...one, x: 0 }, ...holders.slice(1)] }],
  ['number 0', { ...good, number: 0 }],
]

t.test('epochSchema takes a good epoch, whose name has number and id', async t => {
  t.ok(epochSchema.safeParse(good).success)
  t.equal(epochName(good), `4-${epoch.id}`)
})

for (const [why, value] of unfit)
  t.test(`epochSchema refuses: ${why}`, async t => t.notOk(epochSchema.safeParse(value).success))
