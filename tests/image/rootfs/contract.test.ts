import { execFileSync } from 'node:child_process'
import { chmod, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { libraryFolder, loader } from '../../../image/rootfs/contents.ts'
import { breaches, type Contract, testMarker } from '../../../image/rootfs/contract.ts'
import { hostLibrary, makeSmallTree, program, put } from './small-tree.ts'

process.env['ORAMA_CACHE'] = t.testdir()

const ordinary: Contract = { servicePrograms: [], test: false }
const script = 'is executable and not on the list'

type Change = (root: string) => Promise<unknown>
const bundle = `const x = '${testMarker}/fault'\n`

const refused: readonly (readonly [why: string, change: Change, breach: string])[] = [
  ['a missing program', r => rm(join(r, 'usr/bin/nft')), 'usr/bin/nft: is missing'],
  [
    'a missing library that glibc opens by itself',
    r => rm(join(r, 'usr/lib/libgcc_s.so.1')),
    'usr/lib/libgcc_s.so.1: is missing',
  ],
  ['a missing runtime', r => rm(join(r, 'usr/bin/node')), 'usr/bin/node: is missing'],
  ['a missing os-release', r => rm(join(r, 'etc/os-release')), 'etc/os-release: is missing'],
  [
    'a missing agent',
    r => rm(join(r, 'usr/lib/orama/agent.snapshot')),
    'usr/lib/orama/agent.snapshot: is missing',
  ],
  ['a shell', r => put(r, 'usr/bin/sh', { from: '/bin/sh', mode: 0o755 }), `usr/bin/sh: ${script}`],
  [
    'a program elsewhere',
    r => put(r, 'usr/lib/hidden/x', { from: program, mode: 0o755 }),
    `usr/lib/hidden/x: ${script}`,
  ],
  [
    'an executable script',
    r => put(r, 'etc/x.sh', { text: '#!/bin/sh\n', mode: 0o755 }),
    `etc/x.sh: ${script}`,
  ],
  ['an executable text', r => put(r, 'etc/x', { text: 'x', mode: 0o654 }), `etc/x: ${script}`],
  ['a script without the bit', r => put(r, 'etc/x.sh', { text: '#!/bin/sh\n' }), 'etc/x.sh: is a script'],
  [
    'a program without the bit',
    r => put(r, 'usr/share/x', { from: program, mode: 0o644 }),
    'usr/share/x: is a library or program that nothing listed loads',
  ],
  [
    'a library that nothing loads',
    async r => put(r, `${libraryFolder}/libm.so.6`, { from: await hostLibrary('libm.so.6'), mode: 0o644 }),
    `${libraryFolder}/libm.so.6: is a library or program that nothing listed loads`,
  ],
  [
    'a wanted library in a second place',
    async r =>
      put(r, 'usr/lib/x86_64-linux-gnu/libc.so.6', { from: await hostLibrary('libc.so.6'), mode: 0o644 }),
    'usr/lib/x86_64-linux-gnu/libc.so.6: is a library or program that nothing listed loads',
  ],
  [
    'a set-user-ID program, though it is listed',
    r => chmod(join(r, 'usr/bin/ip'), 0o4755),
    'usr/bin/ip: has a set-user-ID, set-group-ID or sticky bit',
  ],
  [
    'a set-group-ID file',
    r => put(r, 'etc/x', { text: 'x', mode: 0o2644 }),
    'etc/x: has a set-user-ID, set-group-ID or sticky bit',
  ],
  [
    'a file that all can write',
    r => put(r, 'etc/x', { text: 'x', mode: 0o666 }),
    'etc/x: can be written by others',
  ],
  [
    'a file that a group can write',
    r => put(r, 'etc/x', { text: 'x', mode: 0o664 }),
    'etc/x: can be written by others',
  ],
  ['a pipe', r => Promise.resolve(execFileSync('mkfifo', [join(r, 'etc/x')])), 'etc/x: is a special file'],
  [
    'a service that is not of this image',
    r => put(r, 'usr/bin/rqlited', { from: program, mode: 0o755 }),
    `usr/bin/rqlited: ${script}`,
  ],
  [
    'fault injection in an ordinary image',
    r => put(r, 'usr/lib/orama/agent.snapshot', { text: bundle }),
    'usr/lib/orama/agent.snapshot: has the code for fault injection, which only TEST=1 images may have',
  ],
  [
    'the hostile probe in an ordinary image',
    r => put(r, 'usr/lib/orama/services/probe/service.json', { text: '{}' }),
    'usr/lib/orama/services/probe: is a service that only TEST=1 images may have',
  ],
]

for (const [why, change, breach] of refused)
  t.test(`breaches() names: ${why}`, async t => {
    const root = t.testdir()
    await makeSmallTree(root)
    await change(root)
    t.same(await breaches(root, ordinary), [breach])
  })

t.test('breaches() names every breach, not the first alone', async t => {
  const root = t.testdir()
  await makeSmallTree(root)
  await rm(join(root, 'usr/bin/wg'))
  await put(root, 'usr/bin/sh', { from: '/bin/sh', mode: 0o755 })
  await put(root, 'etc/x', { text: 'x', mode: 0o666 })
  t.equal((await breaches(root, ordinary)).length, 3)
})

t.test('breaches() names a loader that does not look where the libraries are', async t => {
  const root = t.testdir()
  await makeSmallTree(root)
  const says = '#!/bin/sh\necho "  /lib64 (system search path)"\necho "  /usr/lib64 (system search path)"\n'
  await put(root, loader, { text: says, mode: 0o755 })
  t.same(await breaches(root, ordinary), [], 'as Buildroot has it: usr/lib64 is a link')
  await rm(join(root, 'usr/lib64'))
  t.match(await breaches(root, ordinary), [/^usr\/lib: the loader looks .* in \/lib64, \/usr\/lib64 only$/])
})

t.test('breaches() refuses a tree where a listed program lacks its library', async t => {
  const root = t.testdir()
  await makeSmallTree(root)
  await rm(join(root, libraryFolder, 'libc.so.6'))
  await t.rejects(breaches(root, ordinary), { message: /Cannot find 'libc\.so\.6', which '.*' needs/ })
})

const kept: readonly (readonly [what: string, contract: Contract, change: Change])[] = [
  ['the smallest tree', ordinary, () => Promise.resolve()],
  [
    'the program of a service of this image',
    { servicePrograms: ['rqlited'], test: false },
    r => put(r, 'usr/bin/rqlited', { from: program, mode: 0o755 }),
  ],
  ['a link', ordinary, r => symlink('/run/resolv.conf', join(r, 'etc/resolv.conf'))],
  [
    'fault injection in a TEST=1 image',
    { servicePrograms: [], test: true },
    r => put(r, 'usr/lib/orama/agent.snapshot', { text: bundle }),
  ],
  [
    'the hostile probe in a TEST=1 image',
    { servicePrograms: [], test: true },
    r => put(r, 'usr/lib/orama/services/probe/service.json', { text: '{}' }),
  ],
]

for (const [what, contract, change] of kept)
  t.test(`breaches() has nothing against: ${what}`, async t => {
    const root = t.testdir()
    await makeSmallTree(root)
    await change(root)
    t.same(await breaches(root, contract), [])
  })
