import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readOperatorText, rearm } from '../../../agent/boot/esp.ts'

/** An ESP with these entries, each holding its first name; returns them after rearm(), as name → first name. */
async function after(t: Test, names: readonly string[], booted: string): Promise<Record<string, string>> {
  const entries = Object.fromEntries(names.map(name => [name, name]))
  const folder = t.testdir({ EFI: { Linux: entries, BOOT: { 'BOOTX64.EFI': 'loader' } } })
  await rearm(folder, booted)
  const linux = join(folder, 'EFI/Linux')
  const found = (await readdir(linux)).sort()
  t.same(await readdir(join(folder, 'EFI')), ['BOOT', 'Linux'])
  return Object.fromEntries(
    await Promise.all(found.map(async name => [name, await readFile(join(linux, name), 'utf8')] as const)),
  )
}

for (const slot of ['a', 'b'])
  for (const counters of ['3-0', '2-1', '1-2', '0-3', '0-4', '0-9', '0-10', '0-12345'])
    t.test(`os-${slot}+${counters} gets its tries back, the other slot keeps its own`, async t => {
      const name = `os-${slot}+${counters}.efi`
      const other = `os-${slot === 'a' ? 'b' : 'a'}+1-2.efi`
      const found = await after(t, [name, other], `/EFI/Linux/${name}`)
      t.same(found, { [`os-${slot}+3-0.efi`]: name, [other]: other })
    })

const left = [
  ['another name', '/EFI/Linux/debian+2-1.efi'],
  ['a name without counters', '/EFI/Linux/os-a.efi'],
  ['one counter', '/EFI/Linux/os-a+2.efi'],
  ['tries left of two digits', '/EFI/Linux/os-a+02-10.efi'],
  ['no end', '/EFI/Linux/os-a+2-1'],
  ['another end', '/EFI/Linux/os-a+2-1.efi.bad'],
  ['a beginning', '/EFI/Linux/xos-a+2-1.efi'],
  ['a third slot', '/EFI/Linux/os-c+2-1.efi'],
  ['nothing', ''],
  ['a folder', '/EFI/Linux/'],
  ['a new line', '/EFI/Linux/os-a+2-1.efi\n'],
] as const

for (const [why, booted] of left)
  t.test(`nothing is renamed for a booted path with ${why}`, async t => {
    const names = ['os-a+2-1.efi', 'os-b+3-0.efi', 'os-c+2-1.efi', 'debian+2-1.efi', 'os-a.efi']
    t.same(Object.keys(await after(t, names, booted)).sort(), [...names].sort())
  })

t.test('an entry whose last rename did not reach the disk is found by its slot', async t => {
  const found = await after(t, ['os-a+2-1.efi'], '/EFI/Linux/os-a+1-2.efi')
  t.same(found, { 'os-a+3-0.efi': 'os-a+2-1.efi' })
})

t.test('an entry that was given up is not revived, nor a copy of somebody', async t => {
  const others = ['os-a+0-3', 'os-a+0-3.bad', 'os-a+2-1.efi.tmp', 'os-a+']
  const found = await after(t, [...others, 'os-a+2-1.efi'], '/EFI/Linux/os-a+2-1.efi')
  t.same(Object.keys(found).sort(), [...others, 'os-a+3-0.efi'].sort())
  t.equal(found['os-a+3-0.efi'], 'os-a+2-1.efi')
  const torn = await after(t, [...others, 'os-a+2-1.efi'], '/EFI/Linux/os-a+1-2.efi')
  t.equal(torn['os-a+3-0.efi'], 'os-a+2-1.efi')
})

t.test('of two entries of a slot the one that runs gets its tries back', async t => {
  const found = await after(t, ['os-a+0-3.efi', 'os-a+1-2.efi'], '/EFI/Linux/os-a+1-2.efi')
  t.same(found, { 'os-a+0-3.efi': 'os-a+0-3.efi', 'os-a+3-0.efi': 'os-a+1-2.efi' })
})

for (const booted of ['os-a+1-2.efi', 'os-a+3-0.efi', 'os-a+2-1.efi'])
  t.test(`two names that can be of one file stay, booted as ${booted}`, async t => {
    const names = ['os-a+1-2.efi', 'os-a+3-0.efi']
    const found = await after(t, names, `/EFI/Linux/${booted}`)
    t.same(found, Object.fromEntries(names.map(name => [name, name])))
  })

t.test('a path never leads out of the folder of entries', async t => {
  const folder = t.testdir({ 'os-a+2-1.efi': '', esp: { EFI: { Linux: { 'os-a+1-2.efi': '' } } } })
  await rearm(join(folder, 'esp'), '/../os-a+2-1.efi')
  t.same((await readdir(folder)).sort(), ['esp', 'os-a+2-1.efi'])
  t.same(await readdir(join(folder, 'esp/EFI/Linux')), ['os-a+3-0.efi'])
})

t.test('no entry of the slot, nothing to do; no folder of entries, an error', async t => {
  t.same(await after(t, ['os-b+2-1.efi'], '/EFI/Linux/os-a+2-1.efi'), { 'os-b+2-1.efi': 'os-b+2-1.efi' })
  await t.rejects(rearm(t.testdir({}), '/EFI/Linux/os-a+2-1.efi'), { code: 'ENOENT' })
})

t.test('the operator file is read as it is, and none is none', async t => {
  const folder = t.testdir({ EFI: { orama: { 'node.json': '{"v":1}\n' } } })
  t.equal(await readOperatorText(folder), '{"v":1}\n')
  t.equal(await readOperatorText(t.testdir({})), undefined)
  t.equal(await readOperatorText(t.testdir({ EFI: { orama: { 'node.json': '' } } })), '')
})

t.test(
  'of an endless operator file 64 KiB are read; a folder in its place is an error, not none',
  async t => {
    const folder = t.testdir({ EFI: { orama: { 'node.json': 'x'.repeat(1_000_000) } } })
    t.equal((await readOperatorText(folder))?.length, 65_536)
    await t.rejects(readOperatorText(t.testdir({ EFI: { orama: { 'node.json': {} } } })), { code: 'EISDIR' })
    await t.rejects(readOperatorText(t.testdir({ EFI: 'a file' })), { code: 'ENOTDIR' })
  },
)
