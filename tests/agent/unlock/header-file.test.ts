import { readFile, truncate } from 'node:fs/promises'
import t from 'tap'
import { copyBytes, dataOffset, keyslotsOffset } from '../../../agent/disk/luks2.ts'
import { run } from '../../../agent/system/run.ts'
import { readHeader } from '../../../agent/unlock/header-file.ts'
import { writeToken } from '../../../agent/unlock/volume.ts'
import { damageCopy, formattedFile, goodPair, spoiledCopy, writeCopies } from './luks-samples.ts'

const { device, uuid } = await formattedFile(t.testdir())
const spoiled = (t: { testdir(): string }) => spoiledCopy(t, device)

t.test('readHeader() uses the secondary copy where the primary has a bad checksum', async t => {
  const path = await spoiled(t)
  await damageCopy(path, 'primary')
  const { header } = await readHeader(path, `${path}.header`)
  t.match(header, { uuid, copy: { name: 'secondary' }, damage: 'primary: bad checksum' })
})

t.test('readHeader() refuses a header with two bad checksums', async t => {
  const path = await spoiled(t)
  await damageCopy(path, 'primary')
  await damageCopy(path, 'secondary')
  await t.rejects(readHeader(path, `${path}.header`), { message: /bad checksum.*bad checksum/ })
})

const ends = [
  ['inside of its first copy', copyBytes / 2, /no good copy: primary: Cannot read/],
  ['inside of the keyslots', keyslotsOffset + 4096, /the end comes before/],
] as const

for (const [where, bytes, message] of ends)
  t.test(`readHeader() refuses a file that ends ${where}`, async t => {
    const path = await spoiled(t)
    await truncate(path, bytes)
    await t.rejects(readHeader(path, `${path}.header`), { message })
  })

t.test('readHeader() writes a header file that two readers cannot understand differently', async t => {
  const path = await spoiled(t)
  await writeToken(run, path, { type: 'orama-escrow', keyslots: [] })
  const { primary, secondary } = await goodPair(path)
  const twice = primary.json.replace('"segments":', '"segments":{"0":{"type":"linear"}},"segments":')
  await writeCopies(path, [
    { ...primary, json: twice, seqid: 50n },
    { ...secondary, json: '{}' },
  ])
  const { header, file } = await readHeader(path, `${path}.header`)
  t.ok(header.metadata.tokens['1'])
  const dump = await run('cryptsetup', ['luksDump', '--dump-json-metadata', file])
  // The copies in the file are small, and cryptsetup has checked them: only `config` says so.
  const read = JSON.parse(dump) as { readonly config: object }
  t.same(read, { ...header.metadata, tokens: {}, config: read.config })
  t.same(read.config, { json_size: '28672', keyslots_size: String(dataOffset - 64 * 1024) })
  const [first, second] = (await readFile(file)).toString('latin1').split('SKUL\xba\xbe')
  const jsonIn = (part: string | undefined) => /\{[^\0]*\}(?=\0)/.exec(part ?? '')?.[0]
  t.equal(jsonIn(first), JSON.stringify({ ...header.metadata, tokens: {}, config: read.config }))
  t.equal(jsonIn(second), jsonIn(first))
})
