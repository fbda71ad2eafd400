import { execFileSync } from 'node:child_process'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkPath, openCheckout, versionOf } from '../../../image/buildroot/checkout.ts'
import { pin } from '../../../image/buildroot/pin.ts'

process.env['ORAMA_CACHE'] = t.testdir()

const makefile = (version: string) => `# Makefile for buildroot\nexport BR2_VERSION := ${version}\n`

const refused = [
  ['a folder that is not there', undefined, `there is no Buildroot in it; use BUILDROOT_DIR=<a checkout`],
  ['an empty folder', {}, 'there is no Buildroot in it'],
  ['a project with another Makefile', { Makefile: 'all:\n' }, 'there is no Buildroot in it'],
  [
    'an older Buildroot',
    { Makefile: makefile('2025.02.3') },
    `it is Buildroot 2025.02.3, need ${pin.version}`,
  ],
  ['a newer Buildroot', { Makefile: makefile('2026.05') }, `it is Buildroot 2026.05, need ${pin.version}`],
  ['a snapshot', { Makefile: makefile('2026.08-git') }, `it is Buildroot 2026.08-git, need ${pin.version}`],
] as const
for (const [why, files, message] of refused)
  t.test(`openCheckout() refuses ${why}`, async t => {
    const folder = files === undefined ? join(t.testdir(), 'gone') : t.testdir(files)
    await t.rejects(openCheckout(folder), { name: 'RangeError', message: new RegExp(escape(message)) })
  })

const badPaths = [
  ['a space', '/srv/build root', 'has spaces'],
  ['a tab', '/srv/a\tb', 'has spaces'],
  ['a colon', '/srv/a:b', "has ':'"],
  ['an at sign', '/srv/a@b', "has '@'"],
  ['a dollar', '/srv/$HOME', "has '$'"],
  ['a quote', "/srv/a'b", `has '''`],
  ['nothing in it', '', 'empty path'],
] as const
for (const [what, path, message] of badPaths)
  t.test(`a path with ${what} is refused before anything is looked at`, async t => {
    t.throws(() => checkPath(path, 'Buildroot'), { name: 'RangeError', message: new RegExp(escape(message)) })
    await t.rejects(openCheckout(path), { name: 'RangeError', message: new RegExp(escape(message)) })
  })

t.test('other paths are taken', async t => {
  for (const path of ['/srv/buildroot-2026.02.3', './a_b+c~d', '/srv/größe']) checkPath(path, 'Buildroot')
  t.pass()
})

t.test('versionOf() reads the version that Buildroot exports, no other', async t => {
  t.equal(versionOf(makefile('2026.02.3')), '2026.02.3')
  t.equal(versionOf('BR2_VERSION := 1\n# export BR2_VERSION := 2\n'), undefined)
})

/** A checkout with one commit. */
function repository(folder: string): string {
  const git = (...args: readonly string[]) => execFileSync('git', ['-C', folder, ...args]).toString()
  git('init', '-q')
  git('add', '-A')
  git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '-q', '-m', 'a')
  return git('rev-parse', 'HEAD').trim()
}

t.test('a checkout of another commit is taken with a warning', async t => {
  const folder = t.testdir({ Makefile: makefile(pin.version) })
  const head = repository(folder)
  const { warnings } = await openCheckout(folder)
  t.same(warnings, [`'${folder}' is at commit ${head}, tag ${pin.version} is ${pin.commit}`])
})

t.test('local changes are named in a warning, the first of many', async t => {
  const folder = t.testdir({ Makefile: makefile(pin.version) })
  repository(folder)
  await appendFile(join(folder, 'Makefile'), '\n')
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await writeFile(join(folder, name), '')
  t.equal(
    (await openCheckout(folder)).warnings[1],
    `'${folder}' has local changes: Makefile, a, b, c, d and 2 more`,
  )
})

t.test('a folder without git, or in the middle of another checkout, is taken with a warning', async t => {
  const outer = t.testdir({ inner: { Makefile: makefile(pin.version) } })
  repository(outer)
  const { folder, warnings } = await openCheckout(join(outer, 'inner'))
  t.same(warnings, [`nobody can say whether '${folder}' is unchanged: it is no git checkout of its own`])
})

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
