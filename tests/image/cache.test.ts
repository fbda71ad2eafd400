import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  cached,
  cacheRoot,
  cleanPartial,
  exists,
  hashFile,
  hashFolder,
  hashOf,
  prune,
} from '../../image/cache.ts'

const module = join(import.meta.dirname, '../../image/cache.ts')

function ownCache(folder: string): string {
  process.env['ORAMA_CACHE'] = folder
  return folder
}

/** A `make` that writes `text` and counts how often it was called. */
function maker(text: string) {
  const calls = { count: 0 }
  const make = async (folder: string) => {
    calls.count += 1
    await writeFile(join(folder, 'x'), text)
  }
  return { calls, entry: { kind: 'things', key: 'k', make } }
}

t.test('cached() makes a thing once', async t => {
  ownCache(t.testdir())
  const { calls, entry } = maker('one')
  const folder = await cached(entry)
  t.equal(await cached(entry), folder)
  t.equal(calls.count, 1)
  t.equal(await readFile(join(folder, 'x'), 'utf8'), 'one')
})

t.test('cached() leaves no name and no rest when make fails, and tries again the next time', async t => {
  const root = ownCache(t.testdir())
  const { entry } = maker('whole')
  const failing = async (folder: string) => {
    await writeFile(join(folder, 'x'), 'ha')
    throw new Error('the disk is full')
  }
  await t.rejects(cached({ ...entry, make: failing }), { message: 'the disk is full' })
  t.notOk(await exists(join(root, 'things/k')))
  t.same(await readdir(join(root, 'partial')), [])
  t.equal(await readFile(join(await cached(entry), 'x'), 'utf8'), 'whole')
})

t.test('cached() does not trust what a killed build left', async t => {
  const root = ownCache(t.testdir())
  const script = `
    const { cached } = await import(${JSON.stringify(module)})
    const { writeFile } = await import('node:fs/promises')
    setInterval(() => undefined, 1000)
    await cached({ kind: 'things', key: 'k', make: async folder => {
      await writeFile(folder + '/x', 'ha')
      process.stdout.write('half')
      await new Promise(() => undefined)
    } })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
  t.equal((await readdir(join(root, 'partial'))).length, 1, 'the rest is there')
  t.notOk(await exists(join(root, 'things/k')), 'without a name')
  t.equal(await readFile(join(await cached(maker('whole').entry), 'x'), 'utf8'), 'whole')
})

t.test('cached() by two at once: both get the whole thing of the faster one', async t => {
  const root = ownCache(t.testdir())
  const bothMaking = Promise.withResolvers<undefined>()
  let making = 0
  const make = (text: string) => async (folder: string) => {
    await writeFile(join(folder, 'x'), text)
    making += 1
    if (making === 2) bothMaking.resolve(undefined)
    await bothMaking.promise
    await writeFile(join(folder, 'y'), text)
  }
  const folders = await Promise.all(
    ['one', 'two'].map(text => cached({ kind: 'things', key: 'k', make: make(text) })),
  )
  t.equal(folders[0], folders[1])
  const [x, y] = await Promise.all(['x', 'y'].map(name => readFile(join(root, 'things/k', name), 'utf8')))
  t.equal(x, y, 'from one build, not mixed')
  t.same(await readdir(join(root, 'partial')), [])
})

t.test('cached() keeps kinds apart', async t => {
  ownCache(t.testdir())
  const { entry } = maker('one')
  t.not(await cached(entry), await cached({ ...entry, kind: 'others' }))
})

const differing: readonly (readonly [string, Record<string, string>, Record<string, string>])[] = [
  ['another value', { a: '1' }, { a: '2' }],
  ['another name', { a: '1' }, { b: '1' }],
  ['one part more', { a: '1' }, { a: '1', b: '' }],
  ['the border between two values', { a: '12', b: '3' }, { a: '1', b: '23' }],
  ['a value that looks like two parts', { a: '1\x00b\x001\x002' }, { a: '1', b: '2' }],
  ['another order', { a: '1', b: '2' }, { b: '2', a: '1' }],
]
for (const [what, one, other] of differing)
  t.test(`hashOf() tells apart: ${what}`, async t => t.not(hashOf(one), hashOf(other)))

t.test('hashOf() gives the same parts the same key', async t =>
  t.equal(hashOf({ a: '1', b: '2' }), hashOf({ a: '1', b: '2' })),
)

t.test('hashFile() is SHA-256', async t => {
  const folder = t.testdir({ x: 'abc' })
  const known = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  t.equal(await hashFile(join(folder, 'x')), known)
})

const changes: readonly (readonly [string, (folder: string) => Promise<unknown>])[] = [
  ['another content', folder => writeFile(join(folder, 'a/x'), 'two')],
  ['another name', folder => rename(join(folder, 'a/x'), join(folder, 'a/y'))],
  ['another folder', folder => rename(join(folder, 'a/x'), join(folder, 'b/x'))],
  ['a file more', folder => writeFile(join(folder, 'b/z'), '')],
]
for (const [what, change] of changes)
  t.test(`hashFolder() notices: ${what}`, async t => {
    const folder = t.testdir({ a: { x: 'one' }, b: {} })
    const before = await hashFolder(folder)
    await change(folder)
    t.not(await hashFolder(folder), before)
  })

t.test('hashFolder() does not depend on where the folder lies', async t => {
  const folder = t.testdir({ short: { x: 'one' }, 'much-longer': {} })
  const before = await hashFolder(join(folder, 'short'))
  await mkdir(join(folder, 'much-longer'), { recursive: true })
  await rename(join(folder, 'short'), join(folder, 'much-longer/elsewhere'))
  t.equal(await hashFolder(join(folder, 'much-longer/elsewhere')), before)
})

t.test('cacheRoot() is ORAMA_CACHE, or oramaos in the user’s cache folder', async t => {
  t.intercept(process, 'env', { value: { ORAMA_CACHE: '/x' } })
  t.equal(cacheRoot(), '/x')
  t.intercept(process, 'env', { value: { ORAMA_CACHE: '', XDG_CACHE_HOME: '/y' } })
  t.equal(cacheRoot(), '/y/oramaos')
})

t.test('prune() keeps what was used last, and other kinds', async t => {
  const root = ownCache(
    t.testdir({ image: { a: { x: '' }, b: {}, c: {} }, keys: { development: {} }, partial: {} }),
  )
  for (const [name, second] of [
    ['a', 3],
    ['b', 1],
    ['c', 2],
  ] as const)
    await utimes(join(root, 'image', name), second, second)
  await cached({ kind: 'image', key: 'b', make: () => Promise.reject(new Error('it is there')) })
  await prune('image', 2)
  t.same((await readdir(join(root, 'image'))).sort(), ['a', 'b'])
  t.same(await readdir(join(root, 'keys')), ['development'])
  await prune('no such kind', 0)
})

const ages = [
  ['of two days ago', 48, []],
  ['of a minute more than a day ago', 24 + 1 / 60, []],
  ['of an hour ago, which may be under way', 1, ['kernel-1']],
  ['from the future, since clocks are set', -48, ['kernel-1']],
] as const
for (const [what, hours, left] of ages)
  t.test(`cleanPartial(): what a build left ${what}`, async t => {
    const root = ownCache(t.testdir({ partial: { 'kernel-1': { work: { x: 'half' } } }, kernel: { k: {} } }))
    const folder = join(root, 'partial/kernel-1')
    for (const path of [folder, join(folder, 'work')]) await utimes(path, 0, 0)
    await chmod(join(folder, 'work'), 0o500)
    const now = 1_800_000_000_000
    await utimes(folder, now / 1000 - hours * 3600, now / 1000 - hours * 3600)
    await cleanPartial(now)
    t.same(await readdir(join(root, 'partial')), left)
    t.same(await readdir(join(root, 'kernel')), ['k'])
  })

t.test('cleanPartial() in an empty cache does nothing', async t => {
  ownCache(t.testdir())
  await cleanPartial()
})
