import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { orFailed, tapReader } from './count.ts'

const root = join(import.meta.dirname, '..')

const broken: readonly (readonly [string, readonly string[], NodeJS.ProcessEnv, string, RegExp])[] = [
  [
    'the images cannot be built',
    ['e2e:node', 'long'],
    { ORAMA_CACHE: '/dev/null/none' },
    '0 passed, 2 failed',
    /^not ok - e2e:node\n {2}error: .*ENOTDIR/m,
  ],
  [
    'programs are missing',
    ['check', 'unit'],
    { PATH: '/nonexistent' },
    '0 passed, 5 failed',
    /^not ok - check: types\n {2}error: .*make setup.*\n {2}error: .*tsc ENOENT/m,
  ],
]

for (const [why, parts, env, last, message] of broken)
  t.test(`tests/run.ts ends with its counts and says why when ${why}`, async t => {
    const ran = spawnSync(process.execPath, ['tests/run.ts', ...parts], {
      cwd: root,
      // No images that are built already, or else machines would start.
      env: { ...process.env, ORAMA_TEST_IMAGE: undefined, ORAMA_TEST_IMAGE_FAULTS: undefined, ...env },
      encoding: 'utf8',
    })
    t.equal(ran.status, 1)
    t.equal(ran.stdout.trimEnd().split('\n').at(-1), last)
    t.match(ran.stdout, message)
  })

t.test('orFailed() counts what a part says, and one failure for what it throws', async t => {
  const said: string[] = []
  const as = { name: 'a part', say: (line: string) => said.push(line) }
  t.same(await orFailed(() => Promise.resolve({ passed: 2, failed: 1 }), as), { passed: 2, failed: 1 })
  t.same(said, [])
  const error = new Error('Cannot build', { cause: new Error('the disk is full') })
  t.same(await orFailed(() => Promise.reject(error), as), { passed: 0, failed: 1 })
  t.same(said, ['not ok - a part', '  error: Cannot build', '  error: the disk is full'])
})

const outputs: readonly (readonly [string, string, readonly number[], readonly string[]])[] = [
  ['a test', '    ok 1 - a # time=1ms\nok 1 - a.test.ts # time=2ms', [1, 0], ['ok 1 - a.test.ts # time=2ms']],
  ['an assertion', '        ok 1 - should be equal', [0, 0], []],
  ['a test in a test', '    ok 1 - a # time=1ms\n        ok 1 - b # time=1ms', [2, 0], []],
  ['a skipped test', '    ok 1 - a # SKIP no tool', [0, 0], ['    ok 1 - a # SKIP no tool']],
  [
    'a failure and why',
    '    not ok 1 - a # time=1ms\n      ---\n      diff: x\n      ...\n    noise',
    [0, 1],
    ['    not ok 1 - a # time=1ms', '      ---', '      diff: x', '      ...'],
  ],
]

for (const [what, output, [passed, failed], shown] of outputs)
  t.test(`tapReader() counts and shows ${what}`, async t => {
    const [count, said]: [{ passed: number; failed: number }, string[]] = [{ passed: 0, failed: 0 }, []]
    const read = tapReader(count, line => said.push(line))
    for (const line of output.split('\n')) read(line)
    t.same(count, { passed, failed })
    t.same(said, shown)
  })
