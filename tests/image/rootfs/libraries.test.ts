import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { libraryFolder } from '../../../image/rootfs/contents.ts'
import { findLibrary, libraryClosure, neededBy } from '../../../image/rootfs/libraries.ts'
import { hostLibrary, program, put } from './small-tree.ts'

process.env['ORAMA_CACHE'] = t.testdir()

t.test('neededBy() names what a program loads', async t => t.same(await neededBy(program), ['libc.so.6']))

t.test('neededBy() refuses what is no ELF file', async t => {
  const root = t.testdir({ x: 'text' })
  await t.rejects(neededBy(join(root, 'x')), { message: /'readelf' ended with status 1/ })
})

t.test('neededBy() refuses a file that is not there', async t => t.rejects(neededBy('/nonexistent/x')))

t.test('libraryClosure() follows libraries to their libraries, and leaves the loader out', async t => {
  const root = t.testdir()
  const ssl = `${libraryFolder}/libssl.so.3`
  for (const soname of ['libssl.so.3', 'libcrypto.so.3', 'libc.so.6', 'libz.so.1', 'libzstd.so.1']) {
    const from = await findLibrary(soname, '/')
    // Which of the last ones OpenSSL loads is the host's choice.
    if (from !== undefined) await put(root, `${libraryFolder}/${soname}`, { from })
  }
  const found = await libraryClosure([join(root, ssl)], root)
  t.ok(found.has('libcrypto.so.3') && found.has('libc.so.6'))
  t.notOk([...found.keys()].some(name => name.startsWith('ld-linux')))
})

t.test('libraryClosure() refuses a library that is missing one step further', async t => {
  const root = t.testdir()
  await put(root, `${libraryFolder}/libssl.so.3`, { from: await hostLibrary('libssl.so.3'), mode: 0o644 })
  await put(root, `${libraryFolder}/libc.so.6`, { from: await hostLibrary('libc.so.6'), mode: 0o644 })
  await t.rejects(libraryClosure([join(root, libraryFolder, 'libssl.so.3')], root), {
    message: /Cannot find 'libcrypto\.so\.3', which '.*libssl\.so\.3' needs/,
  })
})

t.test('findLibrary() follows a link to the file beside it', async t => {
  const root = t.testdir()
  await put(root, `${libraryFolder}/libx.so.1.2`, { text: 'x' })
  await symlink('libx.so.1.2', join(root, libraryFolder, 'libx.so.1'))
  t.equal(await findLibrary('libx.so.1', root), join(root, libraryFolder, 'libx.so.1.2'))
})

t.test('findLibrary() follows an absolute link inside the tree, never to the host', async t => {
  const root = t.testdir()
  await put(root, `${libraryFolder}/libc.so.6`, { text: 'the tree’s own' })
  await symlink('/lib/x86_64-linux-gnu/libc.so.6', join(root, libraryFolder, 'libx.so.1'))
  t.equal(await findLibrary('libx.so.1', root), join(root, libraryFolder, 'libc.so.6'))
})

t.test('findLibrary() refuses a link to nothing', async t => {
  const root = t.testdir()
  await put(root, `${libraryFolder}/other`, { text: 'x' })
  await symlink('libx.so.1.2', join(root, libraryFolder, 'libx.so.1'))
  await t.rejects(findLibrary('libx.so.1', root), { message: /Cannot follow the link/ })
})

t.test('findLibrary() knows nothing of a library that is nowhere', async t =>
  t.equal(await findLibrary('libx.so.1', t.testdir()), undefined),
)
