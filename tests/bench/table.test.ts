import { join } from 'node:path'
import t from 'tap'
import { readSizes, slotOffset } from '../../bench/artefacts.ts'
import { accounts } from '../../bench/debian.ts'
import { median } from '../../bench/median.ts'
import { readFigures } from '../../bench/sandbox.ts'
import { startupS } from '../../bench/systemd.ts'
import { asJson, asTable, withTable } from '../../bench/table.ts'

t.test('a figure that was not measured is in neither form', async t => {
  t.same(Object.keys(asJson({ uki_mib: 5.5 })), ['uki_mib'])
  t.notMatch(asTable({ uki_mib: 5.5 }), /image_cold_s/)
})

t.test('asJson() has value, unit, goal and how', async t =>
  t.match(asJson({ image_warm_s: 8.126 })['image_warm_s'], { value: 8.13, unit: 's', goal: 10, how: String }),
)

t.test('asTable() says which goal was missed, and only that', async t => {
  const lines = asTable({ uki_mib: 16.01, executables: 12 }).split('\n')
  t.match(
    lines.find(line => line.includes('uki_mib')),
    /\*\*missed\*\*/,
  )
  t.notMatch(
    lines.find(line => line.includes('executables')),
    /missed/,
  )
})

for (const [value, missed] of [
  [0.94, true],
  [0.95, false],
  [1.2, false],
] as const)
  t.test(`a goal can be the least that is wanted: ${value}`, async t => {
    t.match(asTable({ rqlite_sandbox_ratio: value }), /≥ 0\.95/)
    t.equal(/missed/.test(asTable({ rqlite_sandbox_ratio: value })), missed)
  })

t.test('a machine that could not measure is an error with its reason', async t => {
  t.same(readFigures('{"sandbox_start_ratio":1.1}'), { sandbox_start_ratio: 1.1 })
  t.throws(() => readFigures('failed: no rqlite'), { message: /no rqlite/ })
})

const marks = '# Page\n\n<!-- bench: begin -->\n\nold\n\n<!-- bench: end -->\nend\n'
t.test('withTable() replaces what is between the marks', async t => {
  const page = withTable(marks, 'new\n')
  t.equal(page, marks.replace('old', 'new'))
  t.equal(withTable(page, 'new\n'), page)
})
for (const [why, page] of [
  ['without marks', '# Page\n'],
  ['with one mark', marks.replace('<!-- bench: end -->', '')],
  ['with marks in the wrong order', '<!-- bench: end --><!-- bench: begin -->\n'],
] as const)
  t.test(`withTable() refuses a page ${why}`, async t =>
    t.throws(() => withTable(page, 'x'), { name: 'SyntaxError' }),
  )

const lines: readonly (readonly [string, number])[] = [
  ['Startup finished in 3.167s (kernel) + 11.992s (userspace) = 15.160s.', 15.159],
  ['Startup finished in 9s (firmware) + 1s (loader) + 834ms (kernel) + 1.5s (userspace) = 12.334s.', 2.334],
  ['Startup finished in 2s (kernel) + 1min 2.5s (userspace) = 1min 4.5s.', 64.5],
]
for (const [line, seconds] of lines)
  t.test(`startupS() counts from the kernel on: ${line}`, async t =>
    t.ok(Math.abs(startupS(line) - seconds) < 1e-6, String(startupS(line))),
  )
for (const line of ['', 'Startup finished in 3s (kernel).', 'Startup finished in 3s (userspace).'])
  t.test(`startupS() refuses: '${line}'`, async t => t.throws(() => startupS(line), { name: 'SyntaxError' }))

for (const [values, middle] of [
  [[3], 3],
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
] as const)
  t.test(`median() of ${values.join(', ')}`, async t => t.equal(median(values), middle))
t.test('median() refuses nothing', async t => t.throws(() => median([]), { name: 'RangeError' }))

t.test('readSizes() refuses a part that is not in the table', async t => {
  const sizes = readSizes('qcow2        49.38 MiB\nuki           5.51 MiB\n')
  t.equal(sizes('uki'), 5.51)
  t.throws(() => sizes('rootfs'), { name: 'SyntaxError' })
})

t.test('slotOffset() refuses an image without a partition table', async t => {
  const folder = t.testdir({ image: Buffer.alloc(1024 * 1024) })
  await t.rejects(slotOffset(join(folder, 'image')), { message: /Cannot read partition table/ })
})

t.test('accounts() makes users and groups of sysusers lines', async t => {
  const { users, groups } = accounts('# x\ng tty 5 -\nu messagebus - "Bus"\nu! systemd-network 998:998 "x"\n')
  t.match(users, /^root:x:0:0::/)
  t.match(users, /^messagebus:x:990:990:/m)
  t.match(users, /^systemd-network:x:998:998:/m)
  t.notMatch(users, /^tty/m)
  t.match(groups, /^tty:x:5:$/m)
})
