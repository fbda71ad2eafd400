import t from 'tap'
import { crc32 } from 'node:zlib'
import { makeGpt, parseEntries, parseHeader, type Layout } from '../../../agent/disk/gpt.ts'
import { imageSectors, sampleLayout } from './table-samples.ts'

const layout = sampleLayout(imageSectors)
const { primary, backup, backupLba } = makeGpt(layout)
const last = imageSectors - 1
const headerOf = (bytes: Buffer) => Buffer.from(bytes.subarray(512, 1024))
const entriesOf = (bytes: Buffer) => Buffer.from(bytes.subarray(1024))

t.test('makeGpt() and the parsers agree on the primary copy', t => {
  const table = parseEntries(entriesOf(primary), parseHeader(headerOf(primary), 1, imageSectors))
  t.same(table, { diskGuid: layout.diskGuid, partitions: layout.partitions })
  t.end()
})

t.test('makeGpt() and the parsers agree on the backup copy', t => {
  const header = parseHeader(Buffer.from(backup.subarray(-512)), last, imageSectors)
  t.equal(header.entriesLba, backupLba)
  t.same(parseEntries(Buffer.from(backup.subarray(0, -512)), header).partitions, layout.partitions)
  t.end()
})

t.test('makeGpt() makes the bytes that the specification wants', t => {
  t.equal(primary.toString('hex', 446, 462), '00000200eeffffff01000000ff2f0000')
  t.equal(primary.toString('hex', 510, 512), '55aa')
  t.equal(primary.toString('latin1', 512, 520), 'EFI PART')
  t.equal(primary.toString('hex', 1024, 1040), '28732ac11ff8d211ba4b00a0c93ec93b', 'type of the ESP')
  t.equal(primary.toString('utf16le', 1080, 1086), 'esp')
  t.equal(primary.length, 34 * 512)
  t.equal(backup.length, 33 * 512)
  t.end()
})

/** Changes a header and makes its checksum right again. */
function edited(edit: (header: Buffer) => unknown): Buffer {
  const header = headerOf(primary)
  edit(header)
  header.writeUInt32LE(0, 16)
  header.writeUInt32LE(crc32(header.subarray(0, 92)), 16)
  return header
}

const badChecksum = headerOf(primary)
badChecksum.writeUInt8(9, 60)

const badHeaders = [
  ['no signature', Buffer.alloc(512), 'no GPT signature'],
  ['a checksum that does not fit', badChecksum, 'bad checksum of the header'],
  ['another revision', edited(h => h.writeUInt32LE(0x20000, 8)), 'unknown GPT revision'],
  ['a header size that leaves the sector', edited(h => h.writeUInt32LE(600, 12)), 'unknown header size'],
  ['a copy from elsewhere', edited(h => h.writeUInt8(7, 24)), 'the header says that it lies elsewhere'],
  ['4 billion entries', edited(h => h.writeUInt32LE(0xffffffff, 80)), 'not 128 entries of 128 bytes'],
  ['entries of 4 KiB', edited(h => h.writeUInt32LE(4096, 84)), 'not 128 entries of 128 bytes'],
  [
    'entries inside of a partition',
    edited(h => h.writeUInt16LE(3000, 72)),
    'entries are not next to the header',
  ],
  [
    'usable sectors behind the end',
    edited(h => h.writeUInt32LE(last, 48)),
    'usable sectors are outside of the disk',
  ],
  [
    'usable sectors before the entries',
    edited(h => h.writeUInt8(1, 40)),
    'usable sectors are outside of the disk',
  ],
  [
    'another copy behind the end',
    edited(h => h.writeUInt32LE(last + 1, 32)),
    'other copy is outside of the disk',
  ],
  ['a sector number of 64 bits', edited(h => h.writeUInt32LE(0x80000000, 36)), 'sector number is too large'],
] as const

for (const [why, header, message] of badHeaders)
  t.throws(() => parseHeader(header, 1, imageSectors), { message }, `parseHeader() refuses: ${why}`)

t.test('parseEntries() refuses: entries with another checksum', t => {
  const entries = entriesOf(primary)
  entries.writeUInt8(1, 300)
  const header = parseHeader(headerOf(primary), 1, imageSectors)
  t.throws(() => parseEntries(entries, header), { message: 'bad checksum of the entries' })
  t.end()
})

/** The sample with one partition changed. */
function withChange(number: number, change: object): Layout {
  const partitions = layout.partitions.map((p, i) => (p && i === number - 1 ? { ...p, ...change } : p))
  return { ...layout, partitions }
}

const badLayouts = [
  ['overlapping partitions', withChange(3, { firstLba: 3 * 2048 - 2048 }), /overlaps/],
  ['a partition over the backup copy', withChange(4, { lastLba: last - 32 }), /out of bounds/],
  ['a partition over the primary copy', withChange(1, { firstLba: 33 }), /out of bounds/],
  ['a partition that ends before it begins', withChange(2, { lastLba: 4095 }), /out of bounds/],
  ['a GUID given twice', withChange(2, { guid: 'aaaaaaaa-0000-4000-8000-000000000000' }), /GUID of another/],
  ['a GUID that is none', withChange(2, { guid: 'rootfs' }), /as a GUID/],
  ['a label of 37 characters', withChange(2, { label: 'x'.repeat(37) }), /label/],
  ['a disk too small for a table', { ...layout, sectors: 67 }, /67 sectors/],
  [
    '129 partitions',
    { ...layout, partitions: Array.from({ length: 129 }, () => undefined) },
    /128 partitions/,
  ],
] as const

for (const [why, bad, message] of badLayouts)
  t.throws(() => makeGpt(bad), { message }, `makeGpt() refuses: ${why}`)

t.test('parseEntries() refuses overlapping partitions under good checksums', t => {
  const entries = entriesOf(primary)
  entries.writeUInt32LE(2048, 128 + 32)
  const header = edited(h => h.writeUInt32LE(crc32(entries), 88))
  t.throws(() => parseEntries(entries, parseHeader(header, 1, imageSectors)), { message: /overlaps/ })
  t.end()
})
