import { randomBytes } from 'node:crypto'
import { truncate, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../agent/system/run.ts'
import { blockNode } from '../../qemu/arguments.ts'
import { logWrites, makeEmptyDisk, makeOverlay, type Disk } from '../../qemu/disk.ts'
import { workFolder } from '../../qemu/folder.ts'
import { openReplay } from '../../qemu/replay.ts'
import { openWriteLog, type WriteEntry } from '../../qemu/write-log.ts'

const diskBytes = 2 ** 20

/** Lets QEMU itself write to a disk and log it: `commands` are those of qemu-io. */
async function writeBy(disk: Disk, ...commands: readonly string[]): Promise<void> {
  const node = `json:${JSON.stringify({ ...blockNode(disk), 'node-name': undefined })}`
  await run('qemu-io', [...commands.flatMap(command => ['-c', command]), node])
}

async function sample(folder: string): Promise<{ base: Disk; logFile: string }> {
  const base = await makeEmptyDisk(join(folder, 'base.raw'), diskBytes)
  const first = Buffer.alloc(diskBytes, 0xee)
  await writeFile(base.file, first)
  const used = await makeOverlay(base, join(folder, 'used.qcow2'))
  const logFile = join(folder, 'log')
  const commands = [
    'write -P 0x11 0 4k',
    'flush',
    'write -P 0x22 1536 1024',
    'write -z 64k 64k',
    'discard 8k 4k',
  ]
  await writeBy(await logWrites(used, logFile), ...commands)
  return { base, logFile }
}

t.test('every prefix of what QEMU wrote is rebuilt', async t => {
  await using folder = await workFolder()
  const { base, logFile } = await sample(folder.path)
  await using replay = await openReplay({ base, logFile, target: join(folder.path, 'rebuilt.raw') })
  const expected = Buffer.alloc(diskBytes, 0xee)
  const kinds: string[] = []
  for (let count = 1; count <= replay.count; count += 1) {
    const entry = await replay.advance(count)
    if (entry === undefined) return t.fail('advance() applied nothing')
    kinds.push(`${entry.kind} ${entry.offset} ${entry.bytes}`)
    expected.fill(fillOf(entry), entry.offset, entry.offset + (entry.kind === 'flush' ? 0 : entry.bytes))
    t.ok((await readFile(replay.disk.file)).equals(expected), `after ${kinds.at(-1) ?? ''}`)
  }
  t.same(
    kinds.filter(kind => !kind.startsWith('flush')),
    ['write 0 4096', 'write 1536 1024', 'write 65536 65536', 'discard 8192 4096'],
  )
  t.equal(kinds[1], 'flush 0 0')
  t.equal(replay.position(), replay.count)
})

function fillOf({ offset }: WriteEntry): number {
  return { 0: 0x11, 1536: 0x22 }[offset] ?? 0
}

t.test('a write that is longer than what is copied at a time is rebuilt byte for byte', async t => {
  await using folder = await workFolder()
  const base = await makeEmptyDisk(join(folder.path, 'base.raw'), 4 * diskBytes)
  const used = await logWrites(
    await makeOverlay(base, join(folder.path, 'used.qcow2')),
    join(folder.path, 'log'),
  )
  const content = randomBytes(2.5 * diskBytes)
  await writeFile(join(folder.path, 'content'), content)
  await writeBy(used, `write -s ${folder.path}/content ${diskBytes} ${content.length}`)
  await using replay = await openReplay({
    base,
    logFile: join(folder.path, 'log'),
    target: join(folder.path, 'new.raw'),
  })
  await replay.advance(replay.count)
  const expected = Buffer.alloc(4 * diskBytes)
  content.copy(expected, diskBytes)
  t.ok((await readFile(replay.disk.file)).equals(expected))
})

t.test('a prefix that was passed cannot be had again, nor one past the end', async t => {
  await using folder = await workFolder()
  const { base, logFile } = await sample(folder.path)
  await using replay = await openReplay({ base, logFile, target: join(folder.path, 'rebuilt.raw') })
  t.equal((await replay.advance(2))?.index, 1)
  t.equal(await replay.advance(2), undefined)
  for (const count of [1, -1, replay.count + 1])
    await t.rejects(replay.advance(count), {
      name: 'RangeError',
      message: `Cannot go to write ${count} of ${replay.count}`,
    })
})

t.test('a guest that wrote nothing leaves an empty log', async t => {
  await using folder = await workFolder()
  const logFile = join(folder.path, 'log')
  await writeFile(logFile, '')
  await using log = await openWriteLog(logFile)
  t.equal(log.count, 0)
})

const damaged = [
  ['text', async (file: string) => writeFile(file, 'x'.repeat(4096)), /wrong magic/],
  ['a log without a whole superblock', (file: string) => truncate(file, 20), /ends at 20, want 28/],
  ['another version', (file: string) => poke(file, 8, 2), /Unknown version/],
  ['a sector size of 3', (file: string) => poke(file, 24, 3), /Impossible sector size/],
  ['a log that ends in an entry', (file: string) => truncate(file, 520), /ends at 520, want 544/],
  [
    'an entry with unknown flags',
    (file: string) => poke(file, 512 + 16, 32),
    /entry 0 .*unknown flags 100000/,
  ],
  ['an entry of impossible length', (file: string) => poke(file, 512 + 14, 255), /Impossible number/],
] as const

for (const [what, damage, message] of damaged)
  t.test(`a write log is refused: ${what}`, async t => {
    await using folder = await workFolder()
    const { logFile } = await sample(folder.path)
    await damage(logFile)
    const causes = await readAll(logFile).then(() => '', describeAll)
    t.match(causes, message)
  })

async function poke(file: string, at: number, byte: number): Promise<void> {
  const content = await readFile(file)
  content.writeUInt8(byte, at)
  await writeFile(file, content)
}

async function readAll(file: string): Promise<void> {
  await using log = await openWriteLog(file)
  for await (const entry of log.entries()) entry satisfies WriteEntry
}

function describeAll(error: unknown): string {
  return error instanceof Error ? `${error.message}: ${describeAll(error.cause)}` : ''
}
