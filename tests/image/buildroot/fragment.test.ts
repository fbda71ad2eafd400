import t from 'tap'
import { contradictions } from '../../../image/buildroot/fragment.ts'

const on = (option: string) =>
  `@if ! grep -q '^${option}=[my]' x; then sed -i x && echo '${option}=y' >> x; fi\n`
const off = (option: string) => `@sed -i x && echo '# ${option} is not set' >> x\n`

const rows: readonly (readonly [
  what: string,
  fragment: string,
  commands: string,
  found: readonly string[],
])[] = [
  ['what both say', 'CONFIG_A=y', on('CONFIG_A'), []],
  ['what only Buildroot says', 'CONFIG_A=y', on('CONFIG_B'), []],
  [
    'an off that is switched on',
    '# CONFIG_A is not set',
    on('CONFIG_A'),
    ["the fragment has '# CONFIG_A is not set', Buildroot writes 'CONFIG_A=y'"],
  ],
  [
    'an on that is switched off',
    'CONFIG_A=y',
    off('CONFIG_A'),
    ["the fragment has 'CONFIG_A=y', Buildroot writes '# CONFIG_A is not set'"],
  ],
  ['the last word only', 'CONFIG_A=y', off('CONFIG_A') + on('CONFIG_A'), []],
  ['a name that begins alike', 'CONFIG_A=y', off('CONFIG_AB'), []],
  ['prose about an option', '# CONFIG_A why\n', on('CONFIG_A'), []],
]
for (const [what, fragment, commands, found] of rows)
  t.test(`contradictions() judges ${what}`, async t => t.same(contradictions(fragment, commands), found))
