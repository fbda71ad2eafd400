import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { workFolder } from '../../qemu/folder.ts'
import { folderName, keepOnFailure } from '../e2e/support/keep.ts'

t.test('keepOnFailure() keeps the files of a test that failed, and only of such a one', async t => {
  await using folder = await workFolder()
  const console = join(folder.path, 'node.console')
  await writeFile(console, 'Kernel panic')
  const things = { files: { console, disk: join(folder.path, 'never-made') } }
  const kept = (name: string) => resolve('dist/failed', folderName(name))
  for (const [name, passing] of [
    ['a test / that failed', false],
    ['a test / that passed', true],
  ] as const) {
    t.teardown(() => rm(kept(name), { recursive: true, force: true }))
    await rm(kept(name), { recursive: true, force: true })
    const teardowns: (() => Promise<void>)[] = []
    keepOnFailure({ name, passing: () => passing, teardown: handler => teardowns.push(handler) }, things)
    for (const teardown of teardowns) await teardown()
  }
  t.equal(await readFile(join(kept('a test / that failed'), 'node.console'), 'utf8'), 'Kernel panic')
  await t.rejects(readFile(join(kept('a test / that passed'), 'node.console')))
})

for (const [name, folder] of [
  ['a word', 'a-word'],
  ['../../etc/x', 'etc-x'],
  ['…', 'test'],
  ['x'.repeat(200), 'x'.repeat(80)],
] as const)
  t.test(`folderName() makes '${folder}'`, async t => t.equal(folderName(name), folder))
