import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chdir } from 'node:process'
import t from 'tap'
import { commands } from '../../operator/commands.ts'
import { Failure } from '../../operator/failure.ts'
import { codeOf, oramaIn, shownLines } from './command-lines.ts'
import { enrolled } from './enrolled.ts'
import { orama, owner } from './support.ts'

// Every command line that we show people goes through the real dispatcher and its command, as far as the world: nodes
// do not answer and programs do not run. Exit code 2 is that of a wrong command line.
t.test('each command line of help and docs is one that orama takes', async t => {
  const { config } = await enrolled(t)
  const images = ['oramaos.qcow2', 'oramaos-0.1.0-amd64.qcow2', 'node.qcow2']
  chdir(t.testdir(Object.fromEntries(images.map(name => [name, '']))))
  const run = () => Promise.reject(new Failure('failed', 'no program runs here'))
  const shown = await shownLines()
  for (const { where, words } of shown) {
    const [area = '', name = '', ...rest] = words
    if (rest.length === 0 && commands[area]?.[name] !== undefined) continue // only named, in a sentence
    const secret = words.includes('--passphrase-fd') ? [] : passphraseOf(area, name, rest)
    const answers = { typed: [], world: { run } }
    await writeFile(join(config, 'environments.json'), environments)
    const ran = await orama({ config, ...answers }, ...words, ...secret)
    // Of nodes that are examples nobody has a file.
    const isWrong = ran.code === 2 && !ran.err.includes('has no file of it')
    t.notOk(isWrong, `${where}: orama ${words.join(' ')}\n${ran.err}`)
  }
  for (const where of [
    'README.md',
    'CHANGELOG.md',
    'docs/enrollment.md',
    'docs/sandbox.md',
    'help of node logs',
  ])
    t.ok(
      shown.some(one => one.where === where),
      `some are of ${where}`,
    )
})

const environment = {
  gateway: 'https://gateway.example',
  cluster: '0a'.repeat(16),
  authority: owner,
}
const environments = JSON.stringify({ v: 1, environments: { home: environment } })

const signing = [
  'enroll',
  'unlock',
  'invite',
  'invites',
  'revoke-invite',
  'leave',
  'appoint',
  'dismiss',
  'hold',
  'release',
  'evict',
  'escrow',
  'endpoints',
  'rekey',
]

/** Where a person would be asked for the passphrase. */
function passphraseOf(area: string, name: string, rest: readonly string[]): string[] {
  const asks =
    area === 'wallet' || signing.includes(name) || ['audit', '--env'].some(one => rest.includes(one))
  return asks ? ['--passphrase-fd', '3'] : []
}

const lines: readonly (readonly [string, string, readonly string[]])[] = [
  ['a plain one', 'orama node status --json', ['node status --json']],
  [
    'one in a group, with a redirection',
    '(umask 077; orama node wg-config >x); wg-quick up ./x',
    ['node wg-config'],
  ],
  [
    'one before a pipe',
    'orama node wg-config --setconf | wg setconf orama0 /dev/stdin',
    ['node wg-config --setconf'],
  ],
  ['a file descriptor', 'orama wallet new --passphrase-fd 3 3</run/x', ['wallet new --passphrase-fd 3']],
  ['a comment', 'orama node command reboot     # now', ['node command reboot']],
  ['a placeholder', 'orama node password --service NAME', ['node password --service rqlite']],
  ['another program', 'make image', []],
  ['the name alone', 'orama', []],
]
for (const [what, line, expected] of lines)
  t.test(`oramaIn() reads ${what}`, async t =>
    t.same(
      oramaIn(line).map(words => words.join(' ')),
      expected,
    ),
  )

t.test('codeOf() finds blocks and code in sentences, over the end of a line too', async t =>
  t.same(codeOf('See `a b` and `c\n  d`.\n\n```sh\nx y\n```\n'), ['x y', '', 'a b', 'c d']),
)
