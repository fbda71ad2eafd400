import t from 'tap'
import { hashedFiles, parseInfo, unhashedFiles, unsoundPackages } from '../../../image/buildroot/packages.ts'

const one = {
  type: 'target',
  virtual: false,
  version: '1',
  package_dir: '/tree/package/orama-p',
  license_files: ['LICENSE'],
  downloads: [{ source: 'p-1.zip', uris: [] }],
}

for (const [why, json, message] of [
  ['not JSON', 'make: *** error', /show-info': it is not JSON/],
  ['a list', '[]', /show-info'/],
  ['a package without a type', '{"p":{}}', /show-info': p\.type/],
  ['a download without a name', '{"p":{"type":"host","downloads":[{"uris":[]}]}}', /downloads\.0\.source/],
] as const)
  t.test(`parseInfo() refuses ${why}`, async t =>
    t.throws(() => parseInfo(json), { name: 'SyntaxError', message }),
  )

const unsound: readonly (readonly [why: string, info: object, found: readonly string[]])[] = [
  ['nothing of a good one', { 'orama-p': one }, []],
  ['nothing of a host package', { 'host-orama-p': { ...one, type: 'host' } }, []],
  ['one that is not built', {}, ['orama-p: would not be built']],
  ['one without a version', { 'orama-p': { ...one, version: '' } }, ['orama-p: has no version']],
  ['one without a source', { 'orama-p': { ...one, downloads: [] } }, ['orama-p: downloads nothing']],
  ['a virtual one', { 'orama-p': { ...one, virtual: true } }, ['orama-p: is virtual']],
]
for (const [why, info, found] of unsound)
  t.test(`unsoundPackages() names ${why}`, async t =>
    t.same(unsoundPackages(parseInfo(JSON.stringify(info)), ['orama-p']), found),
  )

const good = `sha256  ${'0'.repeat(64)}  p-1.zip\nsha256  ${'1'.repeat(64)}  LICENSE\n`
const hashes: readonly (readonly [why: string, text: string, change: object, found: readonly string[]])[] = [
  ['nothing of a good one', good, {}, []],
  ['a download', good.replace('p-1.zip', 'p-2.zip'), {}, ['orama-p: no hash of p-1.zip']],
  ['a licence of ours', good.replace('LICENSE', 'COPYING'), {}, ['orama-p: no hash of LICENSE']],
  ['both, without a file', '', {}, ['orama-p: no hash of p-1.zip', 'orama-p: no hash of LICENSE']],
  [
    'a download that has an old hash only',
    good.replace(/sha256 +0+/, 'sha1  00'),
    {},
    ['orama-p: no hash of p-1.zip'],
  ],
  ["not the licence of Buildroot's own", '', { package_dir: 'package/p' }, ['orama-p: no hash of p-1.zip']],
]
for (const [why, text, change, found] of hashes)
  t.test(`unhashedFiles() names ${why}`, async t => {
    const folder = t.testdir({ buildroot: { 'p.hash': text } })
    const info = { 'orama-p': { ...one, hashes: ['p.hash', 'gone.hash'], ...change } }
    t.same(await unhashedFiles(parseInfo(JSON.stringify(info)), `${folder}/buildroot`, '/tree'), found)
  })

const lines = [
  ['SHA-256', `sha256  ${'0'.repeat(64)}  a`, ['a']],
  ['SHA-512', `sha512  ${'0'.repeat(128)}  a`, ['a']],
  ['no comment', `# sha256  ${'0'.repeat(64)}  a`, []],
  ['no SHA-1', `sha1  ${'0'.repeat(40)}  a`, []],
  ['no hash cut short', `sha256  ${'0'.repeat(63)}  a`, []],
] as const
for (const [what, text, files] of lines)
  t.test(`hashedFiles() takes ${what}`, async t => t.same(hashedFiles(text), files))
