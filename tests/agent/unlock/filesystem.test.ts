import t from 'tap'
import { truncate } from 'node:fs/promises'
import { checkFs, growFs, hasRoom, makeFs } from '../../../agent/unlock/filesystem.ts'
import { run } from '../../../agent/system/run.ts'
import { blankFile, writeAt } from './luks-samples.ts'

const mib = 1024 * 1024

t.test('makeFs() makes an ext4 with quota by user that e2fsck finds whole', async t => {
  const path = await blankFile(t.testdir())
  await makeFs(run, path)
  const shown = await run('dumpe2fs', ['-h', path])
  t.match(shown, /Filesystem features:.*\bquota\b/)
  t.match(shown, /User quota inode:/)
  t.notMatch(shown, /(Group|Project) quota inode:/)
  await t.resolves(checkFs(run, path))
})

t.test('checkFs() goes on after errors that could be corrected', async t => {
  const path = await blankFile(t.testdir())
  await makeFs(run, path)
  await run('debugfs', ['-w', '-R', 'set_super_value free_blocks_count 7', path])
  await run('debugfs', ['-w', '-R', 'set_super_value state 2', path])
  await t.resolves(checkFs(run, path))
  t.match(await run('dumpe2fs', ['-h', path]), /Filesystem state: +clean\n/)
})

t.test('checkFs() starts nothing where the file system was closed in order', async t => {
  const path = await blankFile(t.testdir())
  await makeFs(run, path)
  await checkFs(() => t.fail('a program was started') as never, path)
})

t.test('checkFs() throws where there is no file system', async t => {
  const path = await blankFile(t.testdir())
  await writeAt(path, 0, Buffer.alloc(mib, 0x5a))
  await t.rejects(checkFs(run, path), { name: 'ProgramError' })
  await t.rejects(hasRoom(path), { name: 'SyntaxError' })
})

t.test('growFs() lets the file system fill a larger device, once', async t => {
  const path = await blankFile(t.testdir())
  await makeFs(run, path)
  t.notOk(await hasRoom(path))
  await truncate(path, 200 * mib)
  t.ok(await hasRoom(path))
  await growFs(run, path)
  t.notOk(await hasRoom(path))
  await growFs(() => t.fail('a program was started') as never, path)
})
