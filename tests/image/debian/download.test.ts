import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import type { Apt } from '../../../image/debian/apt.ts'
import { download } from '../../../image/debian/packages.ts'

type Package = { readonly name: string; readonly version: string; readonly content: string }

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const fileOf = ({ name, version }: Package) => `${name}_${version}_amd64.deb`

/** An apt that knows these packages; `put` is how it downloads one into a folder. */
function aptOf(packages: readonly Package[], put = putWhole): Apt {
  const stanzas = packages.map(
    one => `Package: ${one.name}
Version: ${one.version}
Filename: pool/${fileOf(one)}
SHA256: ${sha256(one.content)}
`,
  )
  return {
    get: () => Promise.reject(new Error('not asked')),
    cache: () => Promise.resolve(stanzas.join('\n')),
    download: async (specs, folder) => {
      for (const one of packages)
        if (specs.includes(`${one.name}=${one.version}`)) await put(join(folder, fileOf(one)), one)
    },
  }
}

function putWhole(path: string, { content }: Package): Promise<void> {
  return writeFile(path, content)
}

const old = { name: 'foo', version: '1.0', content: 'the old foo' }
const foo = { name: 'foo', version: '1.1', content: 'the new foo' }
const bar = { name: 'bar', version: '2', content: 'a bar' }

function ownCache(folder: string): string {
  process.env['ORAMA_CACHE'] = folder
  return folder
}

t.test('download() does not take what an interrupted download left for its own', async t => {
  const root = ownCache(t.testdir())
  for (const folder of ['debian/packages/incoming', 'partial/packages-0123456789abcdef']) {
    await mkdir(join(root, folder), { recursive: true })
    await writeFile(join(root, folder, fileOf(old)), old.content)
  }
  const [got] = await download(aptOf([foo]), ['foo'])
  t.equal(await readFile(got?.file ?? '', 'utf8'), foo.content)
})

const failures: readonly (readonly [string, (path: string, one: Package) => Promise<void>, RegExp])[] = [
  [
    'apt fails in the middle',
    async path => {
      await writeFile(path, 'half')
      throw new Error('the mirror is away')
    },
    /the mirror is away/,
  ],
  ['the content is another', path => writeFile(path, 'evil'), /hash is not the index's/],
  ['apt says nothing and downloads nothing', () => Promise.resolve(), /Cannot find 'foo'/],
]

for (const [why, put, message] of failures)
  t.test(`download() leaves nothing behind when ${why}, and works the next time`, async t => {
    const root = ownCache(t.testdir())
    await t.rejects(download(aptOf([foo], put), ['foo']), { message })
    t.same(await readdir(join(root, 'debian/packages')), [])
    t.same(await readdir(join(root, 'partial')), [])
    await download(aptOf([foo]), ['foo'])
  })

t.test('download() by two at once: neither sees the files of the other', async t => {
  const root = ownCache(t.testdir())
  const bothHave = Promise.withResolvers<undefined>()
  let having = 0
  const put = async (path: string, one: Package) => {
    await writeFile(path, one.content)
    having += 1
    if (having === 2) bothHave.resolve(undefined)
    await bothHave.promise
  }
  const [[newer], [older]] = await Promise.all([
    download(aptOf([foo], put), ['foo']),
    download(aptOf([old], put), ['foo']),
  ])
  t.equal(await readFile(newer?.file ?? '', 'utf8'), foo.content)
  t.equal(await readFile(older?.file ?? '', 'utf8'), old.content)
  t.same(await readdir(join(root, 'partial')), [])
})

t.test('download() asks only for what is not there with the right content', async t => {
  const root = ownCache(t.testdir())
  await download(aptOf([foo, bar]), ['foo', 'bar'])
  const asked: string[] = []
  const put = async (path: string, one: Package) => {
    asked.push(basename(path))
    await putWhole(path, one)
  }
  const spoiled = (await readdir(join(root, 'debian/packages'))).find(name => name.includes('bar')) ?? ''
  await writeFile(join(root, 'debian/packages', spoiled), 'rot')
  await download(aptOf([foo, bar], put), ['foo', 'bar'])
  t.same(asked, [fileOf(bar)])
})
