import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { missingOptions } from '../../../image/kernel/config.ts'

const rows: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['an option as asked', 'CONFIG_A=y', 'CONFIG_A=y', []],
  ['an option that vanished', 'CONFIG_A=y', '', ['CONFIG_A=y']],
  ['an option with another value', 'CONFIG_A=5', 'CONFIG_A=6', ['CONFIG_A=5']],
  ['a module instead of a built-in', 'CONFIG_A=y', 'CONFIG_A=m', ['CONFIG_A=y']],
  ['an option that is off as asked', '# CONFIG_A is not set', '# CONFIG_A is not set', []],
  ['an option that is unknown, asked to be off', '# CONFIG_A is not set', '', []],
  ['an option that is on against the wish', '# CONFIG_A is not set', 'CONFIG_A=y', ['# CONFIG_A is not set']],
  ['an option whose name begins alike', 'CONFIG_A=y', 'CONFIG_AB=y', ['CONFIG_A=y']],
  ['prose in the fragment', '# why it is so\n\nCONFIG_A=y', 'CONFIG_A=y', []],
]

for (const [what, fragment, config, missing] of rows)
  t.test(`missingOptions() judges: ${what}`, async t => t.same(missingOptions(fragment, config), missing))

t.test('the fragment names each option once', async t => {
  const text = readFileSync(join(import.meta.dirname, '../../../image/kernel/linux.config'), 'utf8')
  const names = [...text.matchAll(/^(?:# )?(CONFIG_\w+)(?:=| is not set)/gm)].map(match => match[1])
  t.same(names.length, new Set(names).size)
})
