import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { firstStarts } from '../../../agent/services/first-start.ts'
import { syncFolder } from '../../../agent/system/sync.ts'

t.test('what a service left is emptied until it was ready once, and never after', async t => {
  const root = t.testdir({ agent: {} })
  const { dataOf, keepData, startOver } = firstStarts(root)
  for (let start = 1; start <= 3; start++) {
    const folder = await dataOf('one')
    t.equal(folder, join(root, 'data/one'))
    t.same(readdirSync(folder), [])
    mkdirSync(join(folder, 'raft/deep'), { recursive: true })
    writeFileSync(join(folder, 'raft/deep/half'), 'x')
    t.equal(await startOver('one'), true)
    t.ok(existsSync(folder))
  }
  writeFileSync(join(await dataOf('one'), 'row'), 'x')
  await keepData('one')
  await keepData('one')
  t.equal(await startOver('one'), false)
  t.same(readdirSync(await dataOf('one')), ['row'])
})

t.test('a data folder without a mark is never touched', async t => {
  const root = t.testdir({ agent: {}, data: { one: { row: 'x' } } })
  const { dataOf, startOver } = firstStarts(root)
  const folder = await dataOf('one')
  t.equal(await startOver('one'), false)
  t.same(readdirSync(folder), ['row'])
})

t.test('each service has a mark of its own; another agent process finds it', async t => {
  const root = t.testdir({ agent: {} })
  const before = firstStarts(root)
  for (const name of ['one', 'two']) writeFileSync(join(await before.dataOf(name), 'half'), 'x')
  await before.keepData('two')
  const after = firstStarts(root)
  t.equal(await after.startOver('two'), false)
  t.equal(await after.startOver('one'), true)
  t.same([readdirSync(await after.dataOf('one')), readdirSync(await after.dataOf('two'))], [[], ['half']])
})

t.test('the mark is there before the folder', async t => {
  const root = t.testdir({ agent: {}, data: 'a file, so that no folder can be made below it' })
  await t.rejects(firstStarts(root).dataOf('one'), { code: 'ENOTDIR' })
  t.ok(existsSync(join(root, 'agent/unready/one')))
})

t.test('without a place for the mark there is no folder either', async t => {
  const root = t.testdir({ agent: 'a file' })
  await t.rejects(firstStarts(root).dataOf('one'), { code: 'ENOTDIR' })
  t.notOk(existsSync(join(root, 'data')))
})

t.test('a link in the data folder is removed, not what it leads to', async t => {
  const root = t.testdir({ agent: {}, other: { kept: 'x' } })
  const { dataOf, startOver } = firstStarts(root)
  symlinkSync(join(root, 'other'), join(await dataOf('one'), 'link'))
  t.equal(await startOver('one'), true)
  t.equal(readFileSync(join(root, 'other/kept'), 'utf8'), 'x')
})

t.test('what it set up is on the disk before the mark goes', async t => {
  const root = t.testdir({ agent: {} })
  const synced: [folder: string, marked: boolean][] = []
  const { firstStarts } = await t.mockImport<typeof import('../../../agent/services/first-start.ts')>(
    '../../../agent/services/first-start.ts',
    {
      '../../../agent/system/sync.ts': {
        syncFolder,
        syncTree: (folder: string) => synced.push([folder, existsSync(join(root, 'agent/unready/one'))]),
      },
    },
  )
  const { dataOf, keepData } = firstStarts(root)
  await dataOf('one')
  await keepData('one')
  t.same(synced, [[join(root, 'data/one'), true]])
})
