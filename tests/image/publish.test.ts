import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
} from 'node:fs'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { publish } from '../../image/publish.ts'

process.env['ORAMA_CACHE'] = t.testdir()

const image = 'oramaos-1.2.3-amd64.qcow2'
const files: Readonly<Record<string, string>> = {
  [image]: 'an image',
  'oramaos-1.2.3-amd64.img': 'a disk',
  'oramaos-1.2.3-amd64.sha256': 'sums',
}

const content = { made: { ...files, work: {} }, dist: { failed: { x: 'kept' } } }

/** A build in the cache, and where it is published to. */
function folders(folder: string): { made: string; dist: string } {
  // As in a cache: made some time ago.
  for (const name of Object.keys(files))
    utimesSync(join(folder, 'made', name), 1_700_000_000.5, 1_700_000_000.25)
  return { made: join(folder, 'made'), dist: join(folder, 'dist') }
}

const changes: readonly (readonly [string, (path: string) => void])[] = [
  ['nothing changed', () => undefined],
  ['was removed', rmSync],
  ['was written to at its end', path => appendFileSync(path, 'x')],
  ['was cut short', path => truncateSync(path, 1)],
  ['was changed in its place', path => writeFileSync(path, readFileSync(path, 'utf8').toUpperCase())],
  ['is of another build', path => utimesSync(path, 1_600_000_000, 1_600_000_000)],
]

for (const [what, change] of changes)
  for (const name of Object.keys(files))
    t.test(`publish() puts the whole build into dist/ again: ${name} ${what}`, async t => {
      const { made, dist } = folders(t.testdir(content))
      await publish(made, dist)
      change(join(dist, name))
      t.equal(await publish(made, dist), join(dist, image))
      for (const [file, text] of Object.entries(files)) t.equal(readFileSync(join(dist, file), 'utf8'), text)
      t.same(readdirSync(dist).sort(), ['failed', ...Object.keys(files).sort()])
    })

t.test('publish() copies nothing where nothing changed', async t => {
  const { made, dist } = folders(t.testdir(content))
  await publish(made, dist)
  const inodes = () => Object.keys(files).map(name => statSync(join(dist, name)).ino)
  const before = inodes()
  await publish(made, dist)
  t.same(inodes(), before)
})

t.test('publish() refuses a build without an image', async t => {
  const { made, dist } = folders(t.testdir(content))
  rmSync(join(made, image))
  await t.rejects(publish(made, dist), { message: /has no qcow2/ })
  t.same(readdirSync(dist), ['failed'])
})
