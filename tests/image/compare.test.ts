import { join } from 'node:path'
import t from 'tap'
import { firstDifference, parseSums, partOf, partOfImage } from '../../image/compare.ts'

const mib = 1024 * 1024
const zeros = Buffer.alloc(2 * mib + 5)
const changedAt = (offset: number) => {
  const bytes = Buffer.from(zeros)
  bytes[offset] = 1
  return bytes
}

const rows: readonly (readonly [string, Buffer, Buffer, number | undefined])[] = [
  ['nothing, in two empty files', Buffer.alloc(0), Buffer.alloc(0), undefined],
  ['nothing, in two equal files', zeros, Buffer.from(zeros), undefined],
  ['nothing, in equal files of exactly one block', Buffer.alloc(mib), Buffer.alloc(mib), undefined],
  ['the first byte', zeros, changedAt(0), 0],
  ['the last byte', zeros, changedAt(zeros.length - 1), zeros.length - 1],
  ['the last byte of a block', zeros, changedAt(mib - 1), mib - 1],
  ['the first byte of the next block', zeros, changedAt(mib), mib],
  ['a file that ends before the other', zeros, zeros.subarray(0, 7), 7],
  ['a file that ends with a block', Buffer.alloc(mib), zeros, mib],
  ['an empty file', Buffer.alloc(0), zeros, 0],
]
for (const [what, one, other, offset] of rows)
  t.test(`firstDifference() finds: ${what}`, async t => {
    const folder = t.testdir({ one, other })
    t.equal(await firstDifference(join(folder, 'one'), join(folder, 'other')), offset)
    t.equal(await firstDifference(join(folder, 'other'), join(folder, 'one')), offset)
  })

const partition = { label: 'esp', type: '', guid: '', firstLba: 2, lastLba: 3 }
const table = { diskGuid: '', partitions: [undefined, partition] }
const parts: readonly (readonly [number, string])[] = [
  [0, 'the partition table, or between partitions'],
  [1023, 'the partition table, or between partitions'],
  [1024, "partition 'esp', byte 0"],
  [2047, "partition 'esp', byte 1023"],
  [2048, 'the partition table, or between partitions'],
]
for (const [offset, part] of parts)
  t.test(`partOf() says where byte ${offset} lies`, async t => t.equal(partOf(offset, table), part))

t.test('partOfImage() says nothing of an image without a partition table', async t => {
  const folder = t.testdir({ image: zeros })
  t.equal(await partOfImage(0, join(folder, 'image')), undefined)
})

const hash = 'ab'.repeat(32)
const refused = [
  ['a short hash', `${hash.slice(1)}  x\n`],
  ['a line without a name', `${hash}\n`],
  ['upper case', `${hash.toUpperCase()}  x\n`],
  ['one space', `${hash} x\n`],
] as const
for (const [why, text] of refused)
  t.test(`parseSums() refuses: ${why}`, async t => t.throws(() => parseSums(text), { name: 'SyntaxError' }))

t.test('parseSums() reads rows of sha256sum', async t =>
  t.same(
    parseSums(`${hash}  x\n${hash}  y.img\n`),
    new Map([
      ['x', hash],
      ['y.img', hash],
    ]),
  ),
)
