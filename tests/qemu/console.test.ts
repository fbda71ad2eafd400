import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openConsole } from '../../qemu/console.ts'

const longMs = 60_000

async function fresh(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'console-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'transcript')
  const console = openConsole(file)
  return { console, file, print: (text: string) => console.feed(Buffer.from(text)) }
}

const found = [
  ['a text', 'STATE ready', ['STATE ready'], 'STATE ready'],
  ['a pattern, with its group', /CODE: (\w+)/, ['CODE: ABCD1234\n'], 'CODE: ABCD1234'],
  ['a word that comes in pieces, as a whole', /CODE: (\w+)/, ['CODE: ABCD', '1234\n'], 'CODE: ABCD1234'],
  ['a text between colours', 'STATE ready', ['STATE \x1b[1;32mready\x1b[0m\r\n'], 'STATE ready'],
  ['a text whose escape sequence is cut in two', 'STATE ready', ['STATE \x1b[1;', '32mready'], 'STATE ready'],
  [
    'letters whose bytes are cut in two',
    'größer',
    [Buffer.from('grö').subarray(0, 3), Buffer.from('ößer').subarray(1)],
    'größer',
  ],
  ['what a global pattern has seen before', /STATE \w+/g, ['STATE ready\n'], 'STATE ready'],
] as const

for (const [what, pattern, chunks, text] of found)
  t.test(`waitFor() finds ${what}`, async t => {
    const { console } = await fresh(t)
    const waiting = console.waitFor(pattern, longMs)
    for (const chunk of chunks) console.feed(Buffer.from(chunk))
    t.equal((await waiting).text, text)
    t.equal((await console.waitFor(pattern, longMs)).text, text, 'and so does a wait that comes later')
    console.end('test is over')
  })

t.test('waitFor() says at the deadline what did not happen, and the last lines', async t => {
  const { console, print } = await fresh(t)
  print('first\nmounting /data\n')
  await t.rejects(console.waitFor(/STATE ready/, 1), {
    message: 'Console: 1 ms passed before /STATE ready/; the last lines were:\nfirst\nmounting /data',
  })
  print('STATE ready\n')
  await console.waitFor(/STATE ready/, longMs)
})

t.test('waitFor() is rejected at once when the machine ends, and ever after', async t => {
  const { console, file, print } = await fresh(t)
  const waiting = console.waitFor('STATE ready', longMs)
  print('STATE blank\n')
  console.end('the machine ended (status 1)')
  await t.rejects(waiting, {
    message: 'Console: the machine ended (status 1) before STATE ready; the last lines were:\nSTATE blank',
  })
  await t.rejects(console.waitFor('STATE ready', longMs), /ended \(status 1\) before STATE ready/)
  t.equal(
    (await console.waitFor('STATE blank', longMs)).text,
    'STATE blank',
    'what it did say is still found',
  )
  print('from beyond\n')
  console.end('again')
  t.equal(await readFile(file, 'utf8'), 'STATE blank\n\n--- end: the machine ended (status 1) ---\n')
})

t.test('waitFor() looks at the current boot, unless told otherwise', async t => {
  const { console, file, print } = await fresh(t)
  print('STATE ready 1\n')
  const second = console.waitForBoot(2, longMs)
  const third = console.waitForBoot(3, 1)
  console.nextBoot('guest-reset')
  await second
  await t.rejects(third, /before boot 3 \(it is in boot 1\)/)
  t.equal(console.boots(), 2)
  await t.rejects(console.waitFor(/STATE ready \d\n/, 1))
  const first = await console.waitFor(/STATE ready (\d)\n/, longMs, { since: 'start' })
  t.same(first.groups, ['1'])
  await t.rejects(console.waitFor(/STATE ready \d\n/, 1, { since: first.end }))
  print('STATE ready 2\n')
  t.same((await console.waitFor(/STATE ready (\d)\n/, longMs)).groups, ['2'])
  console.end('test is over')
  t.match(await readFile(file, 'utf8'), '--- boot 2: guest-reset ---')
})
