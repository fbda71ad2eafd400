import t from 'tap'
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { changeRecord, type RecordKeeper } from '../../../agent/node/records.ts'
import { binaryBytes, copyBytes } from '../../../agent/disk/luks2.ts'
import { commitEnrollment, updateRecord } from '../../../agent/unlock/commit.ts'
import { openNode } from '../../../agent/unlock/open.ts'
import { readKept, storeFolder } from '../../../agent/unlock/record-store.ts'
import { writeAt } from './luks-samples.ts'
import { bench, sampleEnrollment } from './node-samples.ts'

// Each case opens a disk.
t.setTimeout(180_000)

/*
 * A change fails when its token has reached the disk; the process goes on with another change, and power is cut in it.
 * Both have revision 2, and their order's number tells which one a node has opened with.
 */
const first = { lastOrder: 10 }
const second = { lastOrder: 20 }
const neither = { lastOrder: 0 }

const original = await bench(t.testdir())
const enrollment = sampleEnrollment()
await commitEnrollment(original.world, original.volume, enrollment)

/** Where the token of the first change is, and which change a node has when the first copy of the header is torn. */
const failures = [
  ['in both copies of the header', 2, first],
  // The second has the record of before, unless cryptsetup has mended it before it went on.
  ['in the first copy alone', 1, neither],
] as const

/** A node on whose disk the first change is, though it failed, and the process that goes on. */
async function failed(t: { testdir(): string }, copies: 1 | 2) {
  const on = await bench(t.testdir(), original)
  const { world, volume, fail, steps } = on
  const before = await readFile(volume.device)
  const keeper: RecordKeeper = {
    record: enrollment.record,
    keepRecord: async next => (await updateRecord(world, volume, next)).record,
  }
  fail.at = steps.length + 1
  fail.how = 'after'
  const change = changeRecord(keeper, record => ({ ...record, ...first }))
  const error: unknown = await change.catch((cause: unknown) => cause)
  fail.at = 0
  if (copies === 1) await writeAt(volume.device, copyBytes, before.subarray(copyBytes, 2 * copyBytes))
  const goOn = () => changeRecord(keeper, record => ({ ...record, ...second }))
  return { ...on, error, keeper, goOn, store: storeFolder(volume.mountPoint) }
}

/** The writes of the second change in turn, each whole or cut off inside; what of it is on the disk then. */
type Written = { readonly headerBytes: number; readonly record?: 'half beside' | 'beside' | 'renamed' }
const prefixes: readonly (readonly [cut: string, Written, opens: typeof first | 'torn'])[] = [
  ['before its first write', { headerBytes: 0 }, first],
  ['inside of the first copy of the header', { headerBytes: binaryBytes }, 'torn'],
  ['after the first copy', { headerBytes: copyBytes }, second],
  ['inside of the second copy', { headerBytes: copyBytes + binaryBytes }, second],
  ['after the second copy', { headerBytes: 2 * copyBytes }, second],
  ['inside of the kept record', { headerBytes: 2 * copyBytes, record: 'half beside' }, second],
  ['before that is renamed', { headerBytes: 2 * copyBytes, record: 'beside' }, second],
  ['after all of them', { headerBytes: 2 * copyBytes, record: 'renamed' }, second],
]

for (const [where, copies, torn] of failures)
  t.test(`a change that failed is ${where}, and the next is made`, async t => {
    const { world, volume, error, keeper, goOn, store } = await failed(t, copies)
    t.match(error, { message: /stopped after orama-node/ })
    t.match(keeper.record, { revision: 1, lastOrder: 0 }, 'the process has the record of before')
    const path = join(store, 'record.json')
    const [deviceBefore, recordBefore] = [`${volume.device}.before`, await readFile(path)]
    await copyFile(volume.device, deviceBefore)
    await goOn()
    const [headerAfter, recordAfter] = [await readFile(volume.device), await readFile(path)]

    for (const [cut, { headerBytes, record }, opens] of prefixes)
      await t.test(`power is cut ${cut}: the node opens`, async t => {
        await copyFile(deviceBefore, volume.device)
        await writeAt(volume.device, 0, headerAfter.subarray(0, headerBytes))
        await writeFile(path, record === 'renamed' ? recordAfter : recordBefore)
        const half = recordAfter.subarray(0, recordAfter.length / 2)
        if (record?.endsWith('beside'))
          await writeFile(`${path}.new`, record === 'beside' ? recordAfter : half)
        else await rm(`${path}.new`, { force: true })
        const opened = await openNode(world, volume, enrollment)
        t.match(opened.record, opens === 'torn' ? torn : opens)
        const { record: found, mac } = opened
        t.same(await readKept(store), { record: found, mac })
      })
  })

t.test('a node that opened with the change that failed goes on from there', async t => {
  const { world, volume, store } = await failed(t, 2)
  const { record } = await openNode(world, volume, enrollment)
  await t.rejects(updateRecord(world, volume, { ...enrollment.record, ...second, revision: 2 }), RangeError)
  const third = await updateRecord(world, volume, { ...record, revision: 3 })
  t.match(await openNode(world, volume, enrollment), third)
  t.same(await readKept(store), third)
})
