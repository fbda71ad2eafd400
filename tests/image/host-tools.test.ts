import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cToolchainHash, imageTools, imageToolVersions } from '../../image/host-tools.ts'

process.env['ORAMA_CACHE'] = t.testdir()

const libraries = { 'libc.a': 'c', 'libm.a': 'm', 'libgcc.a': 'g', 'libgcc_eh.a': 'e', 'crt1.o': 'o' }
const compiler = (version: string) => `#!/bin/sh
case $1 in
--version) echo 'cc ${version}' ;;
*) name=\${1#-print-file-name=}; here=$(dirname "$0")/$name; [ -e "$here" ] && echo "$here" || echo "$name" ;;
esac
`

/** A folder that plays the host: its compiler, linker and libraries are the first in PATH. */
function host(folder: string): string {
  for (const program of ['cc', 'ld']) chmodSync(join(folder, program), 0o755)
  process.env['PATH'] = `${folder}:/usr/bin:/bin`
  return folder
}

const content = { cc: compiler('14.2'), ld: "#!/bin/sh\necho 'ld 2.44'\n", ...libraries }

const changes = [
  ['another compiler', 'cc', compiler('14.3')],
  ['another linker', 'ld', "#!/bin/sh\necho 'ld 2.45'\n"],
  ['a libc with a fix', 'libc.a', 'C'],
  ['another libgcc', 'libgcc.a', 'G'],
] as const

for (const [what, file, text] of changes)
  t.test(`a program that was linked statically is stale with ${what}`, async t => {
    const folder = host(t.testdir(content))
    const before = await cToolchainHash()
    t.equal(await cToolchainHash(), before)
    writeFileSync(join(folder, file), text)
    t.not(await cToolchainHash(), before)
  })

for (const file of Object.keys(libraries))
  t.test(`a host without ${file} is refused`, async t => {
    rmSync(join(host(t.testdir(content)), file))
    await t.rejects(cToolchainHash(), { message: new RegExp(`there is no ${file}: run 'make setup'`) })
  })

const dpkg = [
  ['that has them all', '#!/bin/sh\necho "mtools 4.0"\n', 'mtools 4.0\n'],
  ['that lacks one', '#!/bin/sh\necho "mtools 4.0"\nexit 1\n', 'mtools 4.0\n'],
] as const
for (const [what, script, expected] of dpkg)
  t.test(`imageToolVersions() on a host ${what}`, async t => {
    const folder = t.testdir({ 'dpkg-query': script })
    chmodSync(join(folder, 'dpkg-query'), 0o755)
    process.env['PATH'] = `${folder}:/usr/bin:/bin`
    t.equal(await imageToolVersions(), expected)
  })

t.test('imageToolVersions() is empty on a host without dpkg', async t => {
  process.env['PATH'] = t.testdir()
  t.equal(await imageToolVersions(), '')
})

t.test('make setup installs every tool whose version counts', async t => {
  const text = readFileSync(join(import.meta.dirname, '../../host/packages.txt'), 'utf8')
  for (const name of imageTools.filter(one => one !== 'libzstd1')) t.match(text, new RegExp(`^${name} `, 'm'))
})
