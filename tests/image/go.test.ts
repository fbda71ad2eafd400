import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type GoModule, keepLicenses, moduleKey, parseModule, requireStatic } from '../../image/go.ts'

const good = {
  module: 'example.org/p/v2',
  version: 'v2.0.0-20260101000000-0123456789ab',
  sum: `h1:${'A'.repeat(43)}=`,
  package: './cmd/p',
  program: 'p',
  cgo: false,
  tags: ['netgo'],
  license: { spdx: 'MIT OR Apache-2.0', files: ['LICENSE-MIT', 'LICENSE'] },
  sha256: {
    'v2.0.0-20260101000000-0123456789ab.zip': '0'.repeat(64),
    LICENSE: '1'.repeat(64),
    'LICENSE-MIT': '2'.repeat(64),
  },
}

t.test('parseModule() takes a pinned module', async t => t.same(parseModule(JSON.stringify(good), 'x'), good))

const refused = [
  ['not JSON', '{', 'it is not JSON'],
  ['an unknown key', { branch: 'main' }, 'branch'],
  ['no checksum', { sum: undefined }, 'sum'],
  ['a checksum of another kind', { sum: `h2:${'A'.repeat(43)}=` }, 'sum'],
  ['a checksum cut short', { sum: 'h1:AAAA' }, 'sum'],
  ['a version that moves', { version: 'latest' }, 'version'],
  ['a module that is an option', { module: '-x' }, 'module'],
  ['a package of another module', { package: 'example.org/other' }, 'package'],
  ['a package that climbs', { package: './../other' }, 'package'],
  ['a program with a path', { program: '../p' }, 'program'],
  ['tags that are more arguments', { tags: ['a,b -toolexec=x'] }, 'tags.0'],
  ['no licence', { license: undefined }, 'license'],
  ['a licence without files', { license: { spdx: 'MIT', files: [] } }, 'license.files'],
  ['a licence file elsewhere', { license: { spdx: 'MIT', files: ['../LICENSE'] } }, 'license.files.0'],
  ['no hashes of files', { sha256: undefined }, 'sha256'],
  ['a hash of another length', { sha256: { ...good.sha256, LICENSE: '1'.repeat(40) } }, 'sha256.LICENSE'],
  ['hashes that lack a licence file', { sha256: { ...good.sha256, LICENSE: undefined } }, 'sha256'],
  ['hashes of another version', { version: 'v2.0.0' }, 'sha256'],
  ['a hash of a file that is not there', { sha256: { ...good.sha256, NOTICE: '3'.repeat(64) } }, 'sha256'],
] as const
for (const [why, change, path] of refused)
  t.test(`parseModule() refuses and names: ${why}`, async t => {
    const text = typeof change === 'string' ? change : JSON.stringify({ ...good, ...change })
    const start = `Cannot use 'x/module.json': ${path}`
    t.throws(() => parseModule(text, 'x/module.json'), { name: 'SyntaxError' })
    try {
      parseModule(text, 'x/module.json')
    } catch (error) {
      t.equal((error as Error).message.slice(0, start.length), start)
    }
  })

t.test('keepLicenses() copies the files that are named, and no others', async t => {
  const folder = t.testdir({ source: { LICENSE: 'a', 'LICENSE-MIT': 'b', NOTICE: 'c' } })
  await keepLicenses(good, join(folder, 'source'), join(folder, 'to'))
  t.equal(await readFile(join(folder, 'to/LICENSE-MIT'), 'utf8'), 'b')
  await t.rejects(readFile(join(folder, 'to/NOTICE')), { code: 'ENOENT' })
})

t.test('keepLicenses() refuses a module that has no such file', async t => {
  const folder = t.testdir({ source: { LICENSE: 'a' } })
  const pin: GoModule = good
  await t.rejects(keepLicenses(pin, join(folder, 'source'), join(folder, 'to')), {
    message: /example\.org\/p\/v2: it has no licence file 'LICENSE-MIT'/,
  })
})

const toolchain = { go: '/nowhere/go', key: 'go 1' }
const key = (pin: GoModule, c: string) => moduleKey(pin, toolchain, () => Promise.resolve(c))

t.test('a program with cgo is built anew when the libc of the host changes, others are not', async t => {
  const withC = { ...good, cgo: true }
  t.equal(await key(withC, 'libc 1'), await key(withC, 'libc 1'))
  t.not(await key(withC, 'libc 1'), await key(withC, 'libc 2'))
  t.equal(await key(good, 'libc 1'), await key(good, 'libc 2'))
})

t.test('requireStatic() takes a program that needs no loader', t =>
  t.resolves(requireStatic('/sbin/ldconfig')),
)

t.test('requireStatic() refuses one that does', t =>
  t.rejects(requireStatic(process.execPath), { message: /not linked statically/ }),
)
