import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { pin } from '../../../image/buildroot/pin.ts'
import { obtainBuildroot } from '../../../image/buildroot/source.ts'

process.env['ORAMA_CACHE'] = t.testdir()
const folder = t.testdir({ 'old.tar.xz': 'x', old: { Makefile: 'export BR2_VERSION := 2025.02\n' } })

const refused: readonly (readonly [why: string, env: NodeJS.ProcessEnv, message: RegExp])[] = [
  ['a folder and a tar file', { BUILDROOT_DIR: '/a', BUILDROOT_TARBALL: '/b' }, /give one/],
  ['a folder of another version', { BUILDROOT_DIR: join(folder, 'old') }, /it is Buildroot 2025\.02, need/],
  [
    'a tar file that is not there',
    { BUILDROOT_TARBALL: '/gone.tar.xz' },
    /it is not there; use BUILDROOT_DIR/,
  ],
  [
    'a tar file with another hash',
    { BUILDROOT_TARBALL: join(folder, 'old.tar.xz') },
    new RegExp(`its SHA-256 is [0-9a-f]{64}, Buildroot ${pin.version} has ${pin.sha256}; use BUILDROOT_DIR`),
  ],
]
for (const [why, env, message] of refused)
  t.test(`obtainBuildroot() refuses ${why}`, async t =>
    t.rejects(obtainBuildroot(env), { name: 'RangeError', message }),
  )

t.test('where nothing can be downloaded, the error names the other ways', async t => {
  const tools = t.testdir({ wget: '#!/bin/sh\nexit 4\n' })
  await chmod(join(tools, 'wget'), 0o755)
  const path = process.env['PATH'] ?? ''
  process.env['PATH'] = `${tools}:${path}`
  t.teardown(() => (process.env['PATH'] = path))
  await t.rejects(obtainBuildroot({}), {
    message: /^Cannot download Buildroot .*: use BUILDROOT_DIR=.*, or BUILDROOT_TARBALL=/,
    cause: { message: /'wget' ended with status 4; its output is in / },
  })
})
