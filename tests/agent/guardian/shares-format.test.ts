import t from 'tap'
import type { Shares } from '../../../agent/guardian/shares.ts'
import { formatShares, formattedBytes, parseShares } from '../../../agent/guardian/shares-format.ts'
import { someShare } from './store-samples.ts'

const [a, b] = ['naaaaaaaaaaaaaaaa', 'nbbbbbbbbbbbbbbbb']
const [low, high] = ['00'.repeat(16), 'ff'.repeat(16)]
const shares: Shares = new Map([
  [b, { counter: 7, held: [] }],
  [
    a,
    {
      counter: 0,
      held: [
        { epoch: { number: 3, id: high }, share: someShare() },
        { epoch: { number: 258, id: low }, share: someShare() },
      ],
    },
  ],
])
const bytes = formatShares(shares)

t.test('parseShares() reads what formatShares() writes, whatever the order of the map', async t => {
  t.same(new Map([...parseShares(bytes)].toSorted()), new Map([...shares].toSorted()))
  t.equal(bytes.length, formattedBytes(shares))
  t.same([...parseShares(Buffer.from([1, 0, 0]))], [])
})

t.test('the bytes are as the table says', async t => {
  t.equal(bytes.length, 3 + 26 + 2 * 121 + 26)
  const numbers = bytes.subarray(0, 3).toString('hex')
  t.equal(numbers, '010002')
  t.equal(bytes.toString('ascii', 3, 20), a)
  t.equal(bytes.toString('hex', 20, 29), '000000000000000002')
  t.equal(bytes.toString('hex', 29, 53), `0000000000000003${high}`)
  t.same(bytes.subarray(53, 150), shares.get(a)?.held[0]?.share)
  t.equal(bytes.toString('hex', 150, 174), `0000000000000102${low}`)
  t.equal(bytes.toString('ascii', 271, 288), b)
  t.equal(bytes.toString('hex', 288), '000000000000000700')
})

const changed = (at: number, hex: string) => {
  const copy = Buffer.from(bytes)
  copy.write(hex, at, 'hex')
  return copy
}

const refused = [
  ['nothing', Buffer.alloc(0), 'cut off'],
  ['another version', changed(0, '02'), 'unknown version'],
  ['a node less than there is', changed(1, '0001'), 'too long'],
  ['a node more than there is', changed(1, '0003'), 'cut off'],
  ['a byte too few', bytes.subarray(0, -1), 'cut off'],
  ['a byte too many', Buffer.concat([bytes, Buffer.alloc(1)]), 'too long'],
  ['a node id in capitals', changed(4, '41'), 'no node id'],
  ['a node id with a high bit', changed(3, 'ee'), 'no node id'],
  ['one node twice', changed(271, Buffer.from(a).toString('hex')), 'nodes are not in order'],
  [
    'nodes out of order',
    changed(3, Buffer.from(`n${'c'.repeat(16)}`).toString('hex')),
    'nodes are not in order',
  ],
  ['three epochs', changed(28, '03'), 'more than 2 epochs of a node'],
  ['epochs out of order', changed(29, '00000000000001ff'), 'epochs are not in order'],
  ['one epoch twice', changed(150, `0000000000000003${high}`), 'epochs are not in order'],
  ['epoch 0', changed(29, '0000000000000000'), 'epoch 0'],
  ['an epoch beyond numbers', changed(29, '0020000000000000'), 'a number is too large'],
  ['a release beyond numbers', changed(288, '0020000000000000'), 'a number is too large'],
  ['a share with x = 0', changed(149, '00'), 'a share with x 0'],
  ['a node of which nothing is held', changed(288, '0000000000000000'), 'a node of which nothing is held'],
] as const

for (const [why, wrong, message] of refused)
  t.test(`parseShares() refuses: ${why}`, async t => {
    t.throws(() => parseShares(wrong), { name: 'SyntaxError', message: `Cannot read shares: ${message}` })
  })
