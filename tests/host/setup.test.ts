import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'

// No case gets as far as npm: that would be this checkout's.
const script = join(import.meta.dirname, '../../host/setup.sh')

/** Runs the script on a host that has only these programs, besides a few that every system has. */
function setup(t: Test, programs: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const files = Object.entries(programs).map(([name, text]) => [name, `#!/bin/sh\n${text}\n`] as const)
  const everywhere = ['sed', 'dirname'].map(name => [name, t.fixture('symlink', `/usr/bin/${name}`)] as const)
  const bin = t.testdir({ ...Object.fromEntries(files), ...Object.fromEntries(everywhere) })
  for (const [name] of files) chmodSync(join(bin, name), 0o755)
  return spawnSync('/bin/sh', [script, ...args], { env: { PATH: bin }, encoding: 'utf8' })
}

const installed = { 'dpkg-query': 'echo installed', npm: 'echo npm "$@"' }
const bare = { 'dpkg-query': 'exit 1', npm: 'echo npm "$@"' }
const apt = { 'apt-get': 'echo apt-get "$@"' }

t.test('--check says nothing where all is there, and installs nothing', async t => {
  const { status, stdout, stderr } = setup(t, installed, ['--check'])
  t.same({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
})

t.test('--check names what is missing, and installs nothing', async t => {
  const { status, stdout, stderr } = setup(t, { ...bare, ...apt }, ['--check'])
  t.equal(status, 1)
  t.match(stderr, /lacks these Debian packages.* ovmf .*qemu-system-x86/)
  t.equal(stdout, '')
})

t.test('a host without apt is told so, with the list', async t => {
  const { stderr } = setup(t, bare, ['--check'])
  t.match(stderr, /lacks these Debian packages.* squashfs-tools/)
  t.match(stderr, /there is no apt here; install them by your own means/)
})

t.test('an ordinary user without sudo is told what to run as root', async t => {
  const { status, stderr } = setup(t, { ...bare, ...apt, id: 'echo 1000' })
  t.equal(status, 1)
  t.match(stderr, /run as root: apt-get install --no-install-recommends .*swtpm/)
})

t.test('root installs what is missing by one list', async t => {
  // It ends there: nothing of this checkout is touched.
  const failing = { 'apt-get': 'echo apt-get "$@"; [ "$2" = update ]' }
  const { status, stderr } = setup(t, { ...bare, ...failing, id: 'echo 0', env: 'shift; "$@"' })
  t.equal(status, 1)
  t.match(stderr, /apt-get -qq -y install --no-install-recommends bc binutils/)
  t.notMatch(stderr, /#|reason/)
})
