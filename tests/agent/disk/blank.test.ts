import t from 'tap'
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readDataState } from '../../../agent/disk/blank.ts'
import { copyBytes, keyslotsOffset, serialiseLuksCopy } from '../../../agent/disk/luks2.ts'
import { run } from '../../../agent/system/run.ts'
import { removeToken, writeToken } from '../../../agent/unlock/volume.ts'
import {
  blankFile,
  damageCopy,
  formattedFile,
  goodPair,
  partitionBytes,
  withMetadata,
  writeAt,
  writeCopies,
} from '../unlock/luks-samples.ts'

const folder = t.testdir()
const { device: pending } = await formattedFile(folder)
const { primary, secondary } = await goodPair(pending)
const enrolled = join(folder, 'enrolled.img')
await copyFile(pending, enrolled)
await writeToken(run, enrolled, { type: 'orama-node', keyslots: [] })
const committed = await goodPair(enrolled)
const blank = await blankFile(folder, 'blank.img')

const path = join(folder, 'case.img')

/** The state of a copy of `base` after an edit. */
async function stateOf(base: string, edit: (path: string) => Promise<unknown>): Promise<unknown> {
  await rm(path, { force: true })
  await copyFile(base, path)
  await edit(path)
  return readDataState(path)
}

const at = (offset: number, bytes: string | Buffer) => (path: string) =>
  writeAt(path, offset < 0 ? partitionBytes + offset : offset, Buffer.from(bytes as string, 'latin1'))
const zeros = (bytes: number) => Buffer.alloc(bytes)
const nothing = () => Promise.resolve()
const foreign = (found: string) => ({ kind: 'foreign', found })

const magics = [
  ['xfs', at(0, 'XFSB')],
  ['squashfs', at(0, 'hsqs')],
  ['dm-verity', at(0, 'verity\0\0')],
  ['BitLocker', at(3, '-FVE-FS-')],
  ['NTFS', at(3, 'NTFS    ')],
  ['LVM', at(512, 'LABELONE')],
  ['GPT', at(512, 'EFI PART')],
  ['GPT', at(-512, 'EFI PART')],
  ['MBR', at(510, '\x55\xaa')],
  ['md raid', at(4096, '\xfc\x4e\x2b\xa9')],
  ['md raid', at(-65536, '\xfc\x4e\x2b\xa9')],
  ['md raid', at(-8192, '\xfc\x4e\x2b\xa9')],
  ['btrfs', at(65600, '_BHRfS_M')],
  ['zfs', at(131072, '\x0c\xb1\xba\0\0\0\0\0')],
  ['LUKS2 (second header)', at(0x8000, 'SKUL\xba\xbe')],
  ['unknown data at offset 700', at(700, 'x')],
  ['unknown data at offset 1048575', at(1048575, 'x')],
] as const

for (const [found, edit] of magics)
  t.test(`readDataState() finds foreign: ${found}`, async t =>
    t.same(await stateOf(blank, edit), foreign(found)),
  )

const made = [
  ['ext2, ext3 or ext4', 'mke2fs', ['-q', '-t', 'ext4', '-F']],
  ['swap', 'mkswap', []],
  ['FAT', 'mkfs.fat', ['-F', '32']],
] as const

for (const [found, program, options] of made)
  t.test(`readDataState() finds foreign what ${program} makes`, async t =>
    t.same(await stateOf(blank, path => run(program, [...options, path])), foreign(found)),
  )

t.test('readDataState() finds foreign what luksFormat of LUKS1 makes', async t => {
  const options = '--type luks1 --batch-mode --pbkdf-force-iterations 1000 --key-file -'.split(' ')
  const format = (path: string) =>
    run('cryptsetup', ['luksFormat', ...options, path], { input: 'x'.repeat(32) })
  t.same(await stateOf(blank, format), foreign('LUKS1'))
})

const states: readonly (readonly [string, string, (path: string) => Promise<unknown>, object])[] = [
  ['zeros only', blank, nothing, { kind: 'blank' }],
  ['unknown data in the last MiB', blank, at(-4096, 'old ciphertext'), { kind: 'blank' }],
  ['unknown data behind the first MiB', blank, at(9_000_000, 'old ciphertext'), { kind: 'blank' }],
  ['a fresh format', pending, nothing, { kind: 'pending' }],
  ['a format with a damaged primary', pending, path => damageCopy(path, 'primary'), { kind: 'pending' }],
  [
    'a format with an escrow token',
    pending,
    path => writeToken(run, path, { type: 'orama-escrow', keyslots: [] }),
    { kind: 'pending' },
  ],
  ['a committed node', enrolled, nothing, { kind: 'enrolled' }],
  [
    'a committed node with a damaged primary',
    enrolled,
    path => damageCopy(path, 'primary'),
    { kind: 'enrolled' },
  ],
  [
    'a committed node with a damaged secondary',
    enrolled,
    path => damageCopy(path, 'secondary'),
    { kind: 'enrolled' },
  ],
  ['a committed node whose first MiB is gone', enrolled, at(0, zeros(1 << 20)), { kind: 'enrolled' }],
  [
    'a node whose newer copy lost the token',
    enrolled,
    path => writeCopies(path, [{ ...primary, seqid: 99n }]),
    { kind: 'enrolled' },
  ],
  [
    'metadata that cannot be read',
    enrolled,
    path =>
      writeCopies(path, [
        { ...primary, json: '{' },
        { ...secondary, json: '{' },
      ]),
    { kind: 'enrolled' },
  ],
  [
    'tokens that are not tokens',
    pending,
    path => writeCopies(path, [withMetadata(primary, m => (m['tokens'] = { '0': null as never }))]),
    { kind: 'enrolled' },
  ],
  [
    'a token taken out of both copies',
    enrolled,
    path => removeToken(run, path, 'orama-node'),
    { kind: 'pending' },
  ],
  [
    'LUKS2 of somebody else',
    pending,
    path =>
      writeCopies(path, [
        { ...primary, label: 'home' },
        { ...secondary, label: 'home' },
      ]),
    foreign("LUKS2 with label 'home'"),
  ],
  [
    'LUKS2 whose label is control characters',
    pending,
    path =>
      writeCopies(path, [
        { ...primary, label: '\x1b[2J' },
        { ...secondary, label: '\x1b[2J' },
      ]),
    foreign("LUKS2 with label '?[2J'"),
  ],
]

for (const [what, base, edit, expected] of states)
  t.test(`readDataState() of ${what}`, async t => t.same(await stateOf(base, edit), expected))

t.test('readDataState() never takes a committed node with two damaged copies for pending', async t => {
  const edit = async (path: string) => {
    await damageCopy(path, 'primary')
    await damageCopy(path, 'secondary')
  }
  t.same(await stateOf(enrolled, edit), foreign('LUKS2'))
})

/**
 * The writes of one header update by cryptsetup 2.6 and 2.7, as strace shows them: for each copy the binary part
 * without checksum, the JSON area, the binary part with it; then fsync. Cut before, inside and after each.
 */
function headerWrites(copies: { primary: Buffer; secondary: Buffer }): { offset: number; bytes: Buffer }[] {
  return [[0, copies.primary] as const, [copyBytes, copies.secondary] as const].flatMap(([offset, copy]) => {
    const unsummed = Buffer.from(copy.subarray(0, 4096)).fill(0, 448, 512)
    return [
      { offset, bytes: unsummed },
      { offset: offset + 4096, bytes: copy.subarray(4096, 4608) },
      { offset: offset + 4608, bytes: copy.subarray(4608) },
      { offset, bytes: copy.subarray(0, 512) },
      { offset: offset + 512, bytes: copy.subarray(512, 4096) },
    ]
  })
}

const bytesOf = (pair: typeof committed) => ({
  primary: serialiseLuksCopy(pair.primary),
  secondary: serialiseLuksCopy(pair.secondary),
})

/** The kinds after no write, one, two, … of an update. */
async function kindsOf(base: string, writes: ReturnType<typeof headerWrites>): Promise<unknown[]> {
  const kinds: unknown[] = []
  const prefix: typeof writes = []
  const state = async (path: string) => {
    for (const { offset, bytes } of prefix) await writeAt(path, offset, bytes)
  }
  kinds.push(await stateOf(base, state))
  for (const write of writes) {
    prefix.push(write)
    kinds.push(await stateOf(base, state))
  }
  return kinds.map(kind => (kind as { kind: string }).kind)
}

t.test('a power cut at any write of the first header leaves blank or pending', async t => {
  const kinds = await kindsOf(blank, headerWrites(bytesOf({ primary, secondary })))
  t.same(kinds, ['blank', ...Array.from({ length: 10 }, () => 'pending')])
})

t.test('a power cut at any write of the commit leaves pending or enrolled, and changes once', async t => {
  const kinds = await kindsOf(pending, headerWrites(bytesOf(committed)))
  t.same(kinds, [
    ...Array.from({ length: 4 }, () => 'pending'),
    ...Array.from({ length: 7 }, () => 'enrolled'),
  ])
})

t.test('a power cut while the next format wipes an uncommitted one leaves blank or pending', async t => {
  const steps = [512, 4096, copyBytes, copyBytes + 512, 2 * copyBytes, keyslotsOffset + 4096]
  const writes = steps.map(bytes => ({ offset: 0, bytes: zeros(bytes) }))
  t.same(await kindsOf(pending, writes), [
    'pending',
    'pending',
    'pending',
    'pending',
    'blank',
    'blank',
    'blank',
  ])
})
