import { execFileSync } from 'node:child_process'
import * as files from 'node:fs/promises'
import { join, relative } from 'node:path'
import t from 'tap'

/** What was put on the disk, in this order; `meet` is called before each folder is read. */
async function recorded(root: string, meet: (folder: string) => Promise<void> = async () => undefined) {
  const synced: string[] = []
  const open = async (path: string, flags: number) => {
    const handle = await files.open(path, flags)
    const sync = async () => {
      await handle.sync()
      synced.push(relative(root, path))
    }
    return { sync, close: () => handle.close() }
  }
  const readdir = async (path: string, options: { withFileTypes: true }) => {
    const entries = await files.readdir(path, options)
    await meet(path)
    return entries
  }
  const { syncTree } = await t.mockImport<typeof import('../../../agent/system/sync.ts')>(
    '../../../agent/system/sync.ts',
    { 'node:fs/promises': { ...files, open, readdir } },
  )
  return { syncTree, synced }
}

t.test('every file is put on the disk, and each folder after what is in it', async t => {
  const root = t.testdir({ blocks: { SHARDING: 'x', deep: { one: 'x' } }, empty: {} })
  const { syncTree, synced } = await recorded(root)
  await syncTree(root)
  t.same([...synced].sort(), ['', 'blocks', 'blocks/SHARDING', 'blocks/deep', 'blocks/deep/one', 'empty'])
  for (const path of synced.filter(path => path !== ''))
    t.ok(synced.indexOf(path) < synced.indexOf(join(path, '..').replace(/^\.$/, '')), path)
})

t.test('links and FIFOs are left alone', async t => {
  const root = t.testdir({ other: { kept: 'x' }, own: { link: t.fixture('symlink', '../other') } })
  execFileSync('mkfifo', [join(root, 'own/fifo')])
  const { syncTree, synced } = await recorded(root)
  await syncTree(join(root, 'own'))
  t.same(synced, ['own'])
})

t.test('what is removed meanwhile is passed over', async t => {
  const root = t.testdir({ one: 'x', two: 'x', deep: { three: 'x' } })
  const gone = ['one', 'deep']
  const { syncTree, synced } = await recorded(root, async () => {
    for (const name of gone) await files.rm(join(root, name), { recursive: true, force: true })
  })
  await syncTree(root)
  t.same(synced, ['two', ''])
})

t.test('a file in whose place a link was put is refused, a FIFO does not block', async t => {
  const root = t.testdir({ other: { kept: 'x' }, link: { file: 'x' }, fifo: { file: 'x' } })
  const swap = async (folder: string) => {
    await files.rm(join(folder, 'file'))
    if (folder.endsWith('link')) await files.symlink('../other/kept', join(folder, 'file'))
    else execFileSync('mkfifo', [join(folder, 'file')])
  }
  const { syncTree } = await recorded(root, swap)
  await t.rejects(syncTree(join(root, 'link')), { code: 'ELOOP' })
  await t.rejects(syncTree(join(root, 'fifo')), { code: 'EINVAL' })
})
