import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { followBuild } from '../../../image/buildroot/follow.ts'

const cache = t.testdir()
process.env['ORAMA_CACHE'] = cache

/** A build by a Makefile that plays Buildroot. */
function build(t: Test, recipe: string): Promise<void> {
  const folder = t.testdir({ Makefile: `all:\n${recipe}`, output: {} })
  return followBuild({
    checkout: { folder, warnings: [] },
    output: join(folder, 'output'),
    env: { BR2_DL_DIR: '/dl' },
    progress: { done: 0, total: 2 },
  })
}

t.test('a build that succeeds leaves its output in the log', async t => {
  await build(t, '\t@echo ">>> zlib 1.3 Building"\n\t@echo a warning >&2\n')
  const log = await readFile(join(cache, 'log/buildroot-build.log'), 'utf8')
  t.match(log, />>> zlib 1\.3 Building\n/)
  t.match(log, /a warning\n/)
})

t.test('it is given what our make was not asked to hand on', async t => {
  process.env['TEST'] = '1'
  await build(t, '\t@echo "test=$$TEST downloads=$$BR2_DL_DIR output=$(notdir $(O))"\n')
  const log = await readFile(join(cache, 'log/buildroot-build.log'), 'utf8')
  t.match(log, /^test= downloads=\/dl output=output$/m)
})

const failures = [
  [
    'the reason',
    '\t@echo "ERROR: No hash found for a.zip" >&2; false\n',
    /^Cannot build: no hash of 'a\.zip'/,
  ],
  ['the status', '\t@exit 3\n', /Buildroot ended with status 2/],
  ['the log', '\t@false\n', /its output is in .*\/log\/buildroot-build\.log/],
  ['how to go on', '\t@false\n', /the same command goes on from there$/],
] as const
for (const [what, recipe, message] of failures)
  t.test(`the error of a build that fails has ${what}`, async t => t.rejects(build(t, recipe), { message }))
