import t from 'tap'
import {
  epochName,
  epochNames,
  epochNamesText,
  epochNameText,
  newEpochId,
} from '../../../protocol/shares/epoch.ts'

const id = '0123456789abcdef0123456789abcdef'

for (const epoch of [newEpochId(1), newEpochId(4096), { number: Number.MAX_SAFE_INTEGER, id }])
  t.test(`epochNameText reads what epochName() writes: ${epoch.number}`, async t => {
    t.same(epochNameText.parse(epochName(epoch)), epoch)
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
  t.test(`epochNameText refuses: ${why}`, async t => {
    t.notOk(epochNameText.safeParse(text).success)
  })

const [one, other] = [newEpochId(1), newEpochId(2)]

for (const epochs of [[], [one], [other, one]])
  t.test(`epochNamesText reads what epochNames() writes of ${epochs.length}`, async t => {
    t.same(epochNamesText.parse(epochNames(epochs)), epochs)
  })

const unlisted = [
  ['three', epochNames([one, other, newEpochId(3)])],
  ['one twice', epochNames([one, one])],
  ['a comma', ','],
  ['a comma behind one', `${epochName(one)},`],
  ['a space', `${epochName(one)}, ${epochName(other)}`],
] as const

for (const [why, text] of unlisted)
  t.test(`epochNamesText refuses: ${why}`, async t => {
    t.notOk(epochNamesText.safeParse(text).success)
  })
