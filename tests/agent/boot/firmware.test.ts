import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { bootCountPath, secureBoot, takeLastPanic } from '../../../agent/boot/firmware.ts'

const secure = 'SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'
const counted = 'LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'
/** A file of efivarfs: four bytes of attributes, then the value. */
const variable = (value: Buffer) => Buffer.concat([Buffer.from([6, 0, 0, 0]), value])

const modes = [
  ['on', variable(Buffer.from([1])), true],
  ['off', variable(Buffer.from([0])), false],
  ['of another value', variable(Buffer.from([2])), false],
  ['empty', variable(Buffer.alloc(0)), false],
  ['cut off', Buffer.from([1]), false],
] as const

for (const [what, bytes, on] of modes)
  t.test(`Secure Boot is ${on ? 'on' : 'off'} where the variable is ${what}`, async t =>
    t.equal(await secureBoot(t.testdir({ [secure]: bytes })), on),
  )

t.test('Secure Boot is off where there are no variables', async t => {
  t.equal(await secureBoot(t.testdir({})), false)
  t.equal(await secureBoot(join(t.testdir({}), 'none')), false)
})

const text = (path: string) => variable(Buffer.from(path, 'utf16le'))
const paths = [
  ['with its end', text('\\EFI\\Linux\\os-a+2-1.efi\0'), '/EFI/Linux/os-a+2-1.efi'],
  ['without its end', text('\\EFI\\Linux\\os-b+0-3.efi'), '/EFI/Linux/os-b+0-3.efi'],
  ['empty', variable(Buffer.alloc(0)), ''],
] as const

for (const [what, bytes, path] of paths)
  t.test(`the counted entry is a path of the ESP: ${what}`, async t =>
    t.equal(await bootCountPath(t.testdir({ [counted]: bytes })), path),
  )

t.test('without counting there is no entry', async t => {
  t.equal(await bootCountPath(t.testdir({})), undefined)
})

const part = (number: number, body: string) => `Panic#1 Part${number}\n${body}`

t.test(
  'the last panic begins where the kernel says so, its parts in their order, and is cleared',
  async t => {
    const folder = t.testdir({
      'dmesg-efi_pstore-179524800001001': part(1, '<0>[ 9.2] ---[ end Kernel panic ]---'),
      'dmesg-efi_pstore-179524800002001': part(2, '<4>[ 9.1] Call Trace:'),
      'dmesg-efi_pstore-179524800003001': part(
        3,
        '<6>[ 1.0] before\n<0>[ 9.0] Kernel panic - not syncing: x',
      ),
    })
    const panic = (await takeLastPanic(folder)) ?? ''
    t.match(panic, /^<0>\[ 9.0\] Kernel panic - not syncing: x/)
    t.notMatch(panic, 'before')
    t.ok(panic.indexOf('Call Trace') < panic.indexOf('end Kernel panic'))
    t.same(await readdir(folder), [])
    t.equal(await takeLastPanic(folder), undefined)
  },
)

t.test('a log without the word is given from its start, and never more than 2,000 characters', async t => {
  t.equal(await takeLastPanic(t.testdir({ a: 'Oops: x' })), 'Oops: x')
  t.equal((await takeLastPanic(t.testdir({ a: 'x'.repeat(10_000) })))?.length, 2000)
})

t.test('no panic, or no pstore, is none', async t => {
  t.equal(await takeLastPanic(t.testdir({})), undefined)
  t.equal(await takeLastPanic(join(t.testdir({}), 'none')), undefined)
})

t.test('what cannot be cleared stops nothing', async t => {
  const folder = t.testdir({ 'dmesg-2': 'Kernel panic - x' })
  await mkdir(join(folder, 'dmesg-1'))
  t.match(await takeLastPanic(folder), /^Kernel panic - x/)
  t.same(await readdir(folder), ['dmesg-1'])
})
