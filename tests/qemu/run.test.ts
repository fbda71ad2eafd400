import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const persons = { dist: { run: { image: 'an earlier one', 'disk.qcow2': 'the node of a person' } } }

const refused = [
  ['no image', [], /say which image/],
  ['the empty output of a failed build', [''], /say which image/],
  ['a folder', ['.'], /is no file/],
  ['an image that is not there', ['dist/none.qcow2'], /ENOENT/],
] as const

for (const [why, args, message] of refused)
  t.test(`make run leaves the person's node alone, given ${why}`, async t => {
    const cwd = t.testdir(persons)
    const ran = spawnSync(process.execPath, [join(root, 'qemu/run.ts'), ...args], { cwd, encoding: 'utf8' })
    t.equal(ran.status, 1)
    t.match(ran.stderr, message)
    t.equal(readFileSync(join(cwd, 'dist/run/disk.qcow2'), 'utf8'), persons.dist.run['disk.qcow2'])
  })

const builds = [
  ['stops where the build failed', 1, 2, []],
  ['boots what was built', 0, 0, ['qemu/run.ts dist/x.qcow2']],
] as const

for (const [what, status, expected, booted] of builds)
  t.test(`make run ${what}`, async t => {
    // A node of our own is first in the Makefile's PATH: it plays the build, and notes what else is run.
    const node = `#!/bin/sh
[ "$1" = image/main.ts ] || { echo "$*" >>ran; exit 0; }
[ ${status} = 1 ] || echo dist/x.qcow2
exit ${status}
`
    const host = { 'setup.sh': '#!/bin/sh\n' }
    const cwd = t.testdir({ node_modules: { '.bin': { node } }, host })
    copyFileSync(join(root, 'Makefile'), join(cwd, 'Makefile'))
    for (const file of ['node_modules/.bin/node', 'host/setup.sh']) chmodSync(join(cwd, file), 0o755)
    const ran = spawnSync('make', ['run'], { cwd, encoding: 'utf8' })
    t.equal(ran.status, expected, ran.stderr)
    const notes = join(cwd, 'ran')
    t.same(existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : [], booted)
  })
