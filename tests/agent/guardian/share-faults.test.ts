import t, { type Test } from 'tap'
import { withShareFaults } from '../../../agent/guardian/share-faults.ts'
import { isShareOf, newEpochId, noteHolder } from '../../../protocol/shares/epoch.ts'
import { shareBytes } from '../../../protocol/shares/split.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import { bench, guardian, someShare } from './store-samples.ts'

const image = globalThis as { ORAMA_TEST_BUILD?: boolean }
const node = someNodeId(1)
const [first, second] = [newEpochId(1), newEpochId(2)]

/** A guardian that was told faults, and what is right. */
function setUp(t: Test, wanted: readonly string[], isTestImage = true) {
  image.ORAMA_TEST_BUILD = isTestImage
  t.teardown(() => delete image.ORAMA_TEST_BUILD)
  const { store, elapse } = bench()
  const shown = withShareFaults(store, wanted)
  const put = async (epoch = first, share = someShare(), at = shown) => {
    const done = at.put(node, { epoch, share, keep: [] })
    await elapse()
    await done
    return share
  }
  const isRight = (given: Buffer | undefined, share: Buffer, epoch = first) =>
    given !== undefined && isShareOf(noteHolder(share, { node, epoch, guardian }), given, { node, epoch })
  return { shown, put, isRight, restart: () => withShareFaults(store, wanted) }
}

const faithful = [
  ['an image that was told nothing', [], true],
  ['one that was told of other places', ['hurry@shares', 'hang@services', 'wrong@unlock'], true],
  ['one that was told what it does not know', ['lie@share'], true],
  ['an ordinary image, whatever it was told', ['wrong@share'], false],
] as const
for (const [which, wanted, isTestImage] of faithful)
  t.test(`${which} gives shares as they were given to it`, async t => {
    const { shown, put, isRight } = setUp(t, wanted, isTestImage)
    const share = await put()
    t.ok(isRight(await shown.share(node, first), share))
  })

t.test('wrong@share: of the right length, but what the node knows of it does not fit', async t => {
  const { shown, put, isRight } = setUp(t, ['hurry@shares', 'wrong@share'])
  const share = await put()
  const given = await shown.share(node, first)
  t.same([given?.length, given?.at(-1)], [shareBytes, share.at(-1)])
  t.notOk(isRight(given, share))
  t.notSame(given, share)
})

t.test('short@share: half of it', async t => {
  const { shown, put } = setUp(t, ['short@share'])
  const share = await put()
  t.same(await shown.share(node, first), share.subarray(0, 48))
})

t.test('old@share: of the epoch before, also where the guardian holds it no more', async t => {
  const { shown, put } = setUp(t, ['old@share'])
  const before = Buffer.from(await put())
  t.same(await shown.share(node, first), before, 'there is no other')
  await put(second)
  t.same(shown.holding(node).epochs, [second])
  t.same(await shown.share(node, second), before)
})

t.test('old@share: also of what was held before the start', async t => {
  const { put, restart } = setUp(t, ['old@share'])
  const before = Buffer.from(await put())
  const started = restart()
  await put(second, someShare(), started)
  t.same(await started.share(node, second), before)
})

t.test('none@share: none', async t => {
  const { shown, put } = setUp(t, ['none@share'])
  await put()
  t.equal(await shown.share(node, first), undefined)
})

t.test('stall@share: nobody is answered', async t => {
  const { shown, put } = setUp(t, ['stall@share'])
  await put()
  const late = new Promise(resolve => setImmediate(resolve, 'nothing'))
  t.equal(await Promise.race([shown.share(node, first), late]), 'nothing')
})
