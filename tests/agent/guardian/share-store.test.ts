import { randomBytes } from 'node:crypto'
import t from 'tap'
import { formatShares } from '../../../agent/guardian/shares-format.ts'
import { encrypt } from '../../../protocol/aead.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import { bench, cluster, guardian, key, someShare } from './store-samples.ts'

const [a, b] = [someNodeId(1), someNodeId(2)]
const [first, second, third] = [newEpochId(1), newEpochId(2), newEpochId(3)]

t.test('what comes within 200 ms is one write, and is shown once that has ended', async t => {
  const { store, timers, written, elapse } = bench()
  const share = someShare()
  const all = Promise.all([
    store.put(a, { epoch: first, share, keep: [] }),
    store.put(b, { epoch: second, share: someShare(), keep: [] }),
    store.raise(a, 4),
  ])
  t.same([timers, written.length, store.holdings()], [[200], 0, {}])
  await elapse()
  await all
  t.same([timers, written.length], [[200], 1])
  t.same(store.holdings(), { [a]: { epochs: [first], counter: 4 }, [b]: { epochs: [second], counter: 0 } })
  t.same(store.share(a, first), share)
})

t.test('nothing resolves before its write has ended', async t => {
  const writing = Promise.withResolvers<undefined>()
  const { store, elapse } = bench({ write: () => writing.promise })
  let isDone = false
  const put = store.put(a, { epoch: first, share: someShare(), keep: [] }).then(() => (isDone = true))
  await elapse()
  t.same([isDone, store.share(a, first)], [false, undefined])
  writing.resolve(undefined)
  await put
  t.ok(store.share(a, first))
})

t.test('what comes during a write waits for the next, and writes never overlap', async t => {
  const writing = Promise.withResolvers<undefined>()
  let writes = 0
  const { store, timers, elapse } = bench({
    write: async () => {
      writes += 1
      await writing.promise
    },
  })
  const early = store.put(a, { epoch: first, share: someShare(), keep: [] })
  await elapse()
  const late = store.put(a, { epoch: second, share: someShare(), keep: [first] })
  await elapse()
  t.same([writes, timers], [1, [200]])
  writing.resolve(undefined)
  await early
  t.same(store.holding(a).epochs, [first])
  await elapse()
  await late
  t.same([writes, timers], [2, [200, 200]])
  t.same(store.holding(a).epochs, [first, second])
})

t.test('a write that fails rejects all who waited for it, and what was there stays', async t => {
  const on = bench()
  const share = someShare()
  const put = on.store.put(a, { epoch: first, share, keep: [] })
  await on.elapse()
  await put
  on.fail = new Error('cryptsetup went away')
  const refused = Promise.all(
    [
      on.store.put(a, { epoch: second, share: someShare(), keep: [] }),
      on.store.keep(a, []),
      on.store.raise(b, 9),
    ].map(one => t.rejects(one, { message: /token was not written/, cause: { message: /went away/ } })),
  )
  await on.elapse()
  await refused
  t.same(on.store.holdings(), { [a]: { epochs: [first], counter: 0 } })
  t.same(on.store.share(a, first), share)
  on.fail = undefined
  const again = on.store.raise(b, 2)
  await on.elapse()
  await again
  const { store } = bench({ box: on.written.at(-1) })
  t.same(store.holdings(), on.store.holdings())
})

t.test('what came during a write that fails is judged by what is on the disk', async t => {
  const writing = Promise.withResolvers<undefined>()
  const on = bench({ write: () => writing.promise })
  const early = on.store.put(a, { epoch: first, share: someShare(), keep: [] })
  await on.elapse()
  const late = on.store.put(a, { epoch: second, share: someShare(), keep: [first] })
  writing.reject(new Error('full'))
  await t.rejects(early, { message: /not written/ })
  const rejected = t.rejects(late, { message: /not written/ })
  await on.elapse()
  await rejected
  t.same(on.store.holdings(), {})
})

t.test('a token reads back as it was written, shares and all', async t => {
  const { store, elapse, written } = bench()
  const shares = [someShare(), someShare()]
  const puts = [first, second].map((epoch, at) =>
    store.put(a, { epoch, share: shares[at] ?? Buffer.alloc(0), keep: [first] }),
  )
  const raised = store.raise(b, Number.MAX_SAFE_INTEGER)
  await elapse()
  await Promise.all([...puts, raised])
  const again = bench({ box: written[0] }).store
  t.equal(again.fault(), undefined)
  t.same(again.holdings(), store.holdings())
  t.same([again.share(a, first), again.share(a, second)], shares)
  t.equal(again.share(b, first), undefined)
})

t.test('a share is copied when it comes and when it goes', async t => {
  const { store, elapse } = bench()
  const share = someShare()
  const same = Buffer.from(share)
  const put = store.put(a, { epoch: first, share, keep: [] })
  share.fill(0)
  await elapse()
  await put
  const lent = store.share(a, first)
  t.same(lent, same)
  t.ok((lent?.buffer.byteLength ?? 0) >= 4096, 'outside the heap of V8')
  lent?.fill(0)
  t.same(store.share(a, first), same)
})

const changes = [
  ['a share beside one that is kept', second, [first], [first, second]],
  ['a share that takes the place of all', second, [], [second]],
  [
    'a share of an older epoch',
    { number: 1, id: '00'.repeat(16) },
    [second],
    [{ number: 1, id: '00'.repeat(16) }, second],
  ],
  ['a share of an epoch that is there', first, [second], [first, second]],
  ['a share beside one that is not there', third, [newEpochId(9)], [third]],
] as const

for (const [what, epoch, keep, left] of changes)
  t.test(`put() of ${what}`, async t => {
    const { store, elapse } = bench()
    const given = [first, second].map(one => store.put(a, { epoch: one, share: someShare(), keep: [first] }))
    await elapse()
    await Promise.all(given)
    const share = someShare()
    const put = store.put(a, { epoch, share, keep })
    await elapse()
    await put
    t.same(store.holding(a).epochs, left)
    t.same(store.share(a, epoch), share)
  })

t.test('what changes nothing is not written', async t => {
  const { store, elapse, written } = bench()
  const share = someShare()
  const put = store.put(a, { epoch: first, share, keep: [] })
  const raised = store.raise(a, 5)
  await elapse()
  await Promise.all([put, raised])
  const none = [
    store.put(a, { epoch: first, share, keep: [second] }),
    store.keep(a, [first, second]),
    store.keep(b, []),
    store.raise(a, 5),
    store.raise(a, 4),
  ]
  await elapse()
  await Promise.all(none)
  t.equal(written.length, 1)
  t.same([store.holding(a).counter, store.share(a, first)], [5, share])
})

t.test('a node of which nothing is left has no row; its lowest release stays', async t => {
  const { store, elapse } = bench()
  const some = [
    store.put(a, { epoch: first, share: someShare(), keep: [] }),
    store.put(b, { epoch: first, share: someShare(), keep: [] }),
    store.raise(b, 3),
    store.keep(a, []),
    store.keep(b, [second]),
  ]
  await elapse()
  await Promise.all(some)
  t.same(store.holdings(), { [b]: { epochs: [], counter: 3 } })
})

t.test('three epochs of a node are refused, and the others of the batch written', async t => {
  const { store, elapse } = bench()
  const two = [first, second].map(epoch => store.put(a, { epoch, share: someShare(), keep: [first] }))
  const refused = t.rejects(store.put(a, { epoch: third, share: someShare(), keep: [first, second] }), {
    name: 'RangeError',
    message: `Cannot keep share: more than 2 epochs of ${a}`,
  })
  const other = store.raise(b, 1)
  await elapse()
  await Promise.all([...two, refused, other])
  t.same(store.holdings(), { [a]: { epochs: [first, second], counter: 0 }, [b]: { epochs: [], counter: 1 } })
})

t.test('128 KiB in all are the limit, and what fits is kept', async t => {
  const { store, elapse, written } = bench()
  // 3 bytes, and 26 and 121 for each node with one epoch.
  const fit = Math.floor((128 * 1024 - 3) / 147)
  const puts = Array.from({ length: fit + 1 }, (_, at) =>
    store.put(someNodeId(at), { epoch: first, share: someShare(), keep: [] }),
  )
  const refused = t.rejects(puts.pop() ?? Promise.resolve(), {
    name: 'RangeError',
    message: /more than 128 KiB in all/,
  })
  await elapse()
  await Promise.all([...puts, refused])
  t.equal(Object.keys(store.holdings()).length, fit)
  t.equal(Object.keys(bench({ box: written[0] }).store.holdings()).length, fit)
})

const notShares = [
  ['96 bytes', Buffer.alloc(96, 1)],
  ['98 bytes', Buffer.alloc(98, 1)],
  ['none', Buffer.alloc(0)],
  ['x = 0', Buffer.alloc(97)],
] as const

for (const [why, share] of notShares)
  t.test(`put() refuses what is no share: ${why}`, async t => {
    const { store, timers } = bench()
    await t.rejects(store.put(a, { epoch: first, share, keep: [] }), { name: 'RangeError' })
    t.same(timers, [])
  })

async function oneShare(): Promise<Buffer> {
  const { store, elapse, written } = bench()
  const put = store.put(a, { epoch: first, share: someShare(), keep: [] })
  await elapse()
  await put
  return written[0] ?? Buffer.alloc(0)
}

const box = await oneShare()
const bent = Buffer.from(box)
bent[20] = (bent[20] ?? 0) ^ 1
const sealed = (bytes: Buffer) => encrypt(key, `orama-shares-v1|${cluster}|${guardian}`, bytes)

const unreadable = [
  ['one bit is another', { box: bent }, /altered/],
  ['it is cut off', { box: box.subarray(0, 60) }, /altered/],
  ['it is too short', { box: box.subarray(0, 20) }, /too short/],
  ['it is of another node', { box, nodeId: someNodeId(5) }, /wrong key/],
  ['it is of another cluster', { box, cluster: '0b'.repeat(16) }, /wrong key/],
  ['the key is another', { box, key: randomBytes(32) }, /wrong key/],
  ['its plaintext is another', { box: sealed(Buffer.from('{}')) }, /unknown version/],
  [
    'it is malformed',
    {
      read: () => {
        throw new SyntaxError('Cannot read orama-shares: box: not base64url')
      },
    },
    /not base64url/,
  ],
] as const

for (const [why, world, message] of unreadable)
  t.test(`a token is unreadable where ${why}; nothing is written over it`, async t => {
    const { store, elapse, written } = bench(world)
    t.match(store.fault(), { message: /Cannot use the shares/, cause: { message } })
    const refused = { message: /Cannot use the shares/ }
    t.throws(() => store.holdings(), refused)
    t.throws(() => store.holding(a), refused)
    t.throws(() => store.share(a, first), refused)
    await t.rejects(store.put(a, { epoch: first, share: someShare(), keep: [] }), refused)
    await t.rejects(store.keep(a, []), refused)
    await t.rejects(store.raise(a, 1), refused)
    await elapse()
    t.same(written, [])
  })

t.test('two boxes of the same shares are different bytes', async t => {
  t.notSame(sealed(formatShares(new Map())), sealed(formatShares(new Map())))
})
