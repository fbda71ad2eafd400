import t from 'tap'
import {
  epochName,
  epochNames,
  newEpochId,
  parseEpochName,
  parseEpochNames,
} from '../../../protocol/shares/epoch.ts'

const id = '0123456789abcdef0123456789abcdef'

for (const epoch of [newEpochId(1), newEpochId(4096), { number: Number.MAX_SAFE_INTEGER, id }])
  t.test(`parseEpochName() reads what epochName() writes: ${epoch.number}`, async t => {
    t.same(parseEpochName(epochName(epoch)), epoch)
  })

const refused = [
  ['nothing', ''],
  ['a number alone', '4'],
  ['an id alone', `-${id}`],
  ['number 0', `0-${id}`],
  ['a leading zero', `04-${id}`],
  ['a sign', `+4-${id}`],
  ['a fraction', `4.0-${id}`],
  ['a number that JSON does not carry', `9007199254740992-${id}`],
  ['an id too short', `4-${id.slice(1)}`],
  ['an id too long', `4-${id}0`],
  ['an id in capitals', `4-${id.toUpperCase()}`],
  ['a line feed behind it', `4-${id}\n`],
  ['a path', `4-../${id}`],
] as const

for (const [why, text] of refused)
  t.test(`parseEpochName() refuses: ${why}`, async t => {
    t.throws(() => parseEpochName(text), { name: 'SyntaxError', message: /Cannot read epoch/ })
  })

const [one, other] = [newEpochId(1), newEpochId(2)]

for (const epochs of [[], [one], [other, one]])
  t.test(`parseEpochNames() reads what epochNames() writes of ${epochs.length}`, async t => {
    t.same(parseEpochNames(epochNames(epochs)), epochs)
  })

const unlisted = [
  ['three', epochNames([one, other, newEpochId(3)])],
  ['one twice', epochNames([one, one])],
  ['a comma', ','],
  ['a comma behind one', `${epochName(one)},`],
  ['a space', `${epochName(one)}, ${epochName(other)}`],
] as const

for (const [why, text] of unlisted)
  t.test(`parseEpochNames() refuses: ${why}`, async t => {
    t.throws(() => parseEpochNames(text), { name: 'SyntaxError' })
  })
