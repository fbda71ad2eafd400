import { access, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { agentFolders } from '../../../image/agent.ts'
import { bundle } from '../../../image/bundle.ts'
import {
  externalTree,
  madeFiles,
  nodeSourceRow,
  staleFiles,
  writeMadeFiles,
} from '../../../image/buildroot/files.ts'

t.test('what stands in buildroot-external is made from this lock file and these services', async t =>
  t.same(await staleFiles(await madeFiles()), [], 'make buildroot-files makes them anew'),
)

const changes: readonly (readonly [
  what: string,
  change: (tree: string) => Promise<unknown>,
  path: string,
])[] = [
  ['a file that is missing', tree => rm(join(tree, 'Config.in')), 'Config.in'],
  ['a file that was edited', tree => writeFile(join(tree, 'Config.in'), ''), 'Config.in'],
  [
    'what is left of a service',
    async tree => {
      await mkdir(join(tree, 'package/orama-gone'))
      await cp(join(tree, 'Config.in'), join(tree, 'package/orama-gone/Config.in'))
    },
    'package/orama-gone/Config.in',
  ],
]
for (const [what, change, path] of changes)
  t.test(`staleFiles() names ${what}, writeMadeFiles() mends it`, async t => {
    const tree = t.testdir()
    await cp(externalTree, tree, { recursive: true })
    await change(tree)
    t.same(await staleFiles(await madeFiles(), tree), [path])
    t.same(await writeMadeFiles(tree), [path])
    t.same(await staleFiles(await madeFiles(), tree), [])
  })

t.test('a Node whose source has no pinned hash is refused', async t => {
  t.throws(() => nodeSourceRow('26.99.0'), {
    message: /^Cannot use Node 26\.99\.0: image\/buildroot\/pin\.ts has the hash of the source of /,
  })
})

t.test('each file that the tree sources is there', async t => {
  const text = await readFile(join(externalTree, 'Config.in'), 'utf8')
  const sourced = [...text.matchAll(/^source "\$BR2_EXTERNAL_ORAMAOS_PATH\/(.+)"$/gm)].map(
    match => match[1] ?? '',
  )
  t.ok(sourced.length > 4)
  for (const path of sourced) await t.resolves(access(join(externalTree, path)), path)
})

t.test('all that the agent is made of is copied to where Buildroot builds it', async t => {
  const { inputs } = await bundle('agent/main.ts', { ORAMA_TEST_BUILD: 'false' })
  const folders = new Set(
    inputs.map(path => path.split('/')[0] ?? '').filter(name => name !== 'node_modules'),
  )
  t.ok(folders.has('agent'))
  for (const folder of folders) t.ok((agentFolders as readonly unknown[]).includes(folder), folder)
})
