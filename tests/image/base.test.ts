import t from 'tap'
import { baseName } from '../../image/base.ts'

const names = [
  [undefined, 'debian'],
  ['', 'debian'],
  ['debian', 'debian'],
  ['buildroot', 'buildroot'],
] as const
for (const [text, name] of names)
  t.test(`BASE=${text ?? ''} is ${name}`, async t => t.equal(baseName(text), name))

for (const text of ['Buildroot', 'debian ', 'nix', 'toString'])
  t.test(`baseName() refuses '${text}' and says what there is`, async t =>
    t.throws(() => baseName(text), { name: 'RangeError', message: /there are debian and buildroot/ }),
  )
