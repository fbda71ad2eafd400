import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { differences } from '../e2e/support/tree.ts'

const tree = () => ({ etc: { passwd: 'root' }, usr: { bin: { node: 'ELF' }, lib: {} } })

const changes: readonly (readonly [string, (root: string) => void, readonly string[]])[] = [
  ['nothing', () => undefined, []],
  ['a content', root => writeFileSync(join(root, 'etc/passwd'), 'toor'), ['etc/passwd']],
  ['a mode', root => chmodSync(join(root, 'usr/bin/node'), 0o4755), ['usr/bin/node']],
  ['the mode of a folder, and no more', root => chmodSync(join(root, 'usr/lib'), 0o777), ['usr/lib']],
  ['a file too few', root => rmSync(join(root, 'etc/passwd')), ['etc/passwd']],
  ['a link for a file', root => link(root, 'bin/node'), ['usr/bin/node']],
  [
    'a folder too many, said once',
    root => mkdirSync(join(root, 'usr/lib/x/y'), { recursive: true }),
    ['usr/lib/x'],
  ],
  [
    'another name',
    root => renameSync(join(root, 'usr/bin'), join(root, 'usr/sbin')),
    ['usr/bin', 'usr/sbin'],
  ],
]

function link(root: string, to: string): void {
  rmSync(join(root, 'usr/bin/node'))
  symlinkSync(to, join(root, 'usr/bin/node'))
}

for (const [what, change, expected] of changes)
  t.test(`differences() of two trees names: ${what}`, async t => {
    const folder = t.testdir({ one: tree(), other: tree() })
    change(join(folder, 'other'))
    t.same(await differences(join(folder, 'one'), join(folder, 'other')), expected)
  })
