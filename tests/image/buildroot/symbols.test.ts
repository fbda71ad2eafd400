import t from 'tap'
import { lostLines, mergeDefconfig, optionsOf, strayLines } from '../../../image/buildroot/symbols.ts'

const rows: readonly (readonly [what: string, ours: string, config: string, lost: readonly string[]])[] = [
  ['a symbol as asked', 'BR2_A=y', 'BR2_A=y', []],
  ['a symbol that was renamed', 'BR2_A=y', 'BR2_B=y', ['BR2_A=y']],
  ['a symbol whose dependency is off', 'BR2_A=y', '# BR2_A is not set', ['BR2_A=y']],
  ['another string', 'BR2_A="x"', 'BR2_A="y"', ['BR2_A="x"']],
  ['a name that begins alike', 'BR2_A=y', 'BR2_AB=y', ['BR2_A=y']],
  ['a symbol that is off as asked', '# BR2_A is not set', '# BR2_A is not set', []],
  ['a symbol that is on against the wish', '# BR2_A is not set', 'BR2_A=y', ['# BR2_A is not set']],
  ['a symbol asked to be off that is no more', '# BR2_A is not set', '', ['# BR2_A is not set']],
  ['two, in their order', 'BR2_B=y\nBR2_A=y', '', ['BR2_B=y', 'BR2_A=y']],
  ['prose', '# why it is so\n\nBR2_A=y', 'BR2_A=y', []],
]
for (const [what, ours, config, lost] of rows)
  t.test(`lostLines() judges ${what}`, async t => t.same(lostLines(ours, config), lost))

const stray: readonly (readonly [what: string, text: string, found: readonly string[]])[] = [
  ['nothing in a good one', '# why\n\nBR2_A=y\n# BR2_B is not set\n', []],
  ['a symbol without a value', 'BR2_A', ['BR2_A']],
  ['a symbol with nothing', 'BR2_A=', ['BR2_A=']],
  ['a symbol of another project', 'CONFIG_A=y', ['CONFIG_A=y']],
  ['a symbol that is off in other words', '# BR2_A is off', ['# BR2_A is off']],
  ['a symbol that was commented out', '#BR2_A=y', ['#BR2_A=y']],
  ['a space too many', ' BR2_A=y', [' BR2_A=y']],
]
for (const [what, text, found] of stray)
  t.test(`strayLines() finds ${what}`, async t => t.same(strayLines(text), found))

const merged: readonly (readonly [
  what: string,
  ours: string,
  config: string,
  saved: string,
  expected: string,
])[] = [
  ['nothing changed', '# why\nBR2_A=y\n', 'BR2_A=y', 'BR2_A=y\n', '# why\nBR2_A=y\n'],
  ['a default that we state', 'BR2_A=y\n', 'BR2_A=y', '', 'BR2_A=y\n'],
  ['one was switched off', '# why\nBR2_A=y\n', '# BR2_A is not set', '', '# why\n'],
  ['one was added', 'BR2_A=y\n', 'BR2_A=y\nBR2_B=y', 'BR2_A=y\nBR2_B=y\n', 'BR2_A=y\n\nBR2_B=y\n'],
  ['one was changed', '# why\nBR2_A="x"\n', 'BR2_A="y"', 'BR2_A="y"\n', '# why\n\nBR2_A="y"\n'],
]
for (const [what, ours, config, saved, expected] of merged)
  t.test(`mergeDefconfig() where ${what}`, async t => t.equal(mergeDefconfig(ours, config, saved), expected))

t.test('optionsOf() finds what is no package', async t => {
  const text = 'config BR2_PACKAGE_A_B\n\tbool\nconfig BR2_PACKAGE_A_B_FAST\n\tdepends on BR2_PACKAGE_A_B\n'
  t.same(optionsOf(text, ['A_B', 'C']), ['BR2_PACKAGE_A_B_FAST'])
  t.same(optionsOf('config BR2_PACKAGE_C\n', ['A_B', 'C']), [])
})
