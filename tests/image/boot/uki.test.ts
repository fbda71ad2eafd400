import { join } from 'node:path'
import t from 'tap'
import { commandLine, makeUki } from '../../../image/boot/uki.ts'
import { type Slot, uuidOf, verityTable } from '../../../image/rootfs/squashfs.ts'

process.env['ORAMA_CACHE'] = t.testdir()

const rootHash = 'a1'.repeat(32)
const slot: Slot = {
  file: '',
  bytes: 8192,
  dataBytes: 4096,
  rootHash,
  salt: 'b2'.repeat(32),
  partUuid: uuidOf(rootHash),
}
const line = commandLine(slot)

const parts: readonly (readonly [why: string, part: string])[] = [
  ['the verity table, so that the root hash is signed', `dm-mod.create="${verityTable(slot)}"`],
  ['the wait for its partition', ` dm-mod.waitfor=PARTUUID=${slot.partUuid} `],
  ['a verity root', ' root=/dev/dm-0 rootfstype=squashfs '],
  ['the use of the backup partition table', ' gpt '],
  ['the reset after a panic', ' panic=5 '],
  ['the agent as the only arguments of PID 1', ' init=/usr/bin/node -- '],
]
for (const [why, part] of parts)
  t.test(`commandLine() has ${why}`, async t => t.ok(line.includes(part), part))

t.test('commandLine() ends with the agent', async t =>
  t.match(line, / --snapshot-blob \/usr\/lib\/orama\/agent\.snapshot$/),
)

t.test('commandLine() fits into the kernel’s 2,048 bytes, in plain characters', async t => {
  t.ok(Buffer.byteLength(line) < 2048)
  t.match(line, /^[\x20-\x7e]+$/)
})

t.test('commandLine() differs where the root hash differs', async t =>
  t.not(commandLine({ ...slot, rootHash: 'c3'.repeat(32) }), line),
)

const inputs = { bzImage: '/nonexistent', kernelVersion: '6.12', osRelease: 'ID=x\n', commandLine: line }

t.test('makeUki() refuses a stub that is no PE program', async t => {
  const folder = t.testdir({ stub: 'text' })
  await t.rejects(makeUki({ ...inputs, stub: join(folder, 'stub') }, folder), { message: /'objdump' ended/ })
})

t.test('makeUki() refuses an ELF program as a stub', async t =>
  t.rejects(makeUki({ ...inputs, stub: '/usr/bin/true' }, t.testdir()), {
    message: /Cannot read the section alignment of/,
  }),
)
