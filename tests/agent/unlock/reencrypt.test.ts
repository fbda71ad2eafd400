import t from 'tap'
import { copyFile, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run, type Run } from '../../../agent/system/run.ts'
import { readHeader } from '../../../agent/unlock/header-file.ts'
import { readLuksHeader } from '../../../agent/unlock/header-read.ts'
import { endReencryption } from '../../../agent/unlock/header-write.ts'
import { beginReencryption, partOf, reencrypt } from '../../../agent/unlock/reencrypt.ts'
import { keepVolumeKey } from '../../../agent/unlock/volume-key.ts'
import { saveVolumeKey, tryOpen, writeToken } from '../../../agent/unlock/volume.ts'
import { formattedFile, goodPair, withMetadata, writeCopies } from './luks-samples.ts'

// cryptsetup re-encrypts files as well, but without device-mapper none that is open.
const onFile: Run = (program, args, options) => {
  const at = args.indexOf('--active-name')
  if (at < 0) return run(program, args, options)
  return run(program, args.toSpliced(at, 2, '--force-offline-reencrypt'), options)
}

const folder = t.testdir()
const sample = await formattedFile(folder)
const { secret } = sample
await saveVolumeKey(run, { device: sample.device, secret, file: join(folder, 'volume.key') })
const begun = join(folder, 'begun.img')
await copyFile(sample.device, begun)
await beginReencryption(run, { device: begun, secret, keyslot: 0 })

/** A copy of the disk whose re-encryption has been marked, and of the key of before. */
async function marked(t: { testdir(): string; readonly testdirName: string }) {
  const device = join(t.testdir(), 'data.img')
  const keyFile = join(t.testdirName, 'volume.key')
  await copyFile(begun, device)
  await copyFile(join(folder, 'volume.key'), keyFile)
  return { device, keyFile, headerFile: `${device}.header` }
}

const work = (
  device: string,
  more: { run?: Run; signal?: AbortSignal; report?: (done: number) => void } = {},
) =>
  reencrypt({
    ...{ run: onFile, device, name: 'data', secret, report: () => undefined },
    ...{ signal: new AbortController().signal, ...more },
  })

t.test('beginReencryption() marks the header; the secret opens it by its checked copy', async t => {
  const { device, headerFile } = await marked(t)
  const { header } = await readHeader(device, headerFile)
  t.match(header.reencryption, { kind: 'clean', doneBytes: 0, oldKeyslots: ['0'], newKeyslot: '1' })
  await t.resolves(tryOpen(run, { device, headerFile, secret }))
})

t.test('reencrypt() comes to its end: one keyslot, another key, the old one opens nothing', async t => {
  const { device, keyFile } = await marked(t)
  const old = await readFile(keyFile)
  const told: number[] = []
  t.equal(await work(device, { report: done => told.push(done) }), true)
  t.equal(told[0], 0)
  const header = await readLuksHeader(device)
  t.equal(header.reencryption, undefined)
  t.same(Object.keys(header.metadata.keyslots), ['1'])
  await keepVolumeKey(run, { device, header, secret, file: keyFile })
  const next = await readFile(keyFile)
  t.equal(next.length, 64)
  t.notOk(next.equals(old))
  const none: Run = () => t.fail('cryptsetup was started') as never
  await t.resolves(keepVolumeKey(none, { device, header, secret, file: keyFile }), 'it is there already')
})

t.test('reencrypt() of what has a new key already: the next key takes the free places', async t => {
  const { device } = await marked(t)
  await work(device)
  await beginReencryption(run, { device, secret, keyslot: 1 })
  t.match((await readLuksHeader(device)).reencryption, { oldKeyslots: ['1'], newKeyslot: '0' })
  t.equal(await work(device), true)
  t.same(Object.keys((await readLuksHeader(device)).metadata.keyslots), ['0'])
})

t.test('reencrypt() that is told to stop starts nothing more', async t => {
  const { device } = await marked(t)
  const none: Run = () => t.fail('cryptsetup was started') as never
  t.equal(await work(device, { run: none, signal: AbortSignal.abort() }), false)
  t.match((await readLuksHeader(device)).reencryption, { kind: 'clean', doneBytes: 0 })
})

t.test('reencrypt() rejects where cryptsetup fails, and where it does not come forward', async t => {
  const { device } = await marked(t)
  await t.rejects(work(device, { run: () => Promise.reject(new Error('no memory')) }), {
    message: 'no memory',
  })
  await t.rejects(work(device, { run: () => Promise.resolve('') }), { message: /does not come forward/ })
})

t.test('writeToken() works while the volume is re-encrypted, and the work goes on', async t => {
  const { device, headerFile } = await marked(t)
  await writeToken(run, device, { type: 'orama-escrow', keyslots: [], word: 'meanwhile' })
  const { primary, secondary } = await goodPair(device)
  t.equal(primary.json, secondary.json)
  t.equal(primary.seqid, secondary.seqid)
  t.equal(await work(device), true)
  const { header } = await readHeader(device, headerFile)
  t.match(header.metadata.tokens['1'], { word: 'meanwhile' })
})

/** As a cut leaves it between the last zone and the end: `withOld` where the old keyslot is there still. */
async function ended(device: string, withOld: boolean): Promise<void> {
  const { primary, secondary } = await goodPair(device)
  const edit: Parameters<typeof withMetadata>[1] = m => {
    const [before, after] = [m['digests']?.['0'], m['digests']?.['1']]
    if (before === undefined || after === undefined) throw new Error('no digests')
    before['segments'] = ['1'] as never
    after['segments'] = ['0', '2'] as never
    if (withOld) return
    before['keyslots'] = [] as never
    delete m['keyslots']?.['0']
  }
  await writeCopies(device, [withMetadata(primary, edit), withMetadata(secondary, edit)])
}

for (const withOld of [true, false])
  t.test(
    `a cut before the very end, the old keyslot ${withOld ? 'still there' : 'gone'}, is ended`,
    async t => {
      const { device, headerFile } = await marked(t)
      await ended(device, withOld)
      const { header } = await readHeader(device, headerFile)
      t.match(header.reencryption, { kind: 'ended', newKeyslot: '1' })
      t.equal(partOf({ ...header.reencryption, kind: 'ended', doneBytes: 0 } as never, 1), 1)
      await t.resolves(tryOpen(run, { device, headerFile, secret, keyslot: 1 }), 'as if it had ended')
      await endReencryption(device)
      const after = await readHeader(device, headerFile)
      t.equal(after.header.reencryption, undefined)
      t.same(Object.keys(after.header.metadata.keyslots), ['1'])
      await t.resolves(
        tryOpen(run, { device, headerFile: device, secret }),
        'cryptsetup reads it on the disk',
      )
      const area = (await readFile(device)).subarray(2 * 1024 ** 2, 2 * 1024 ** 2 + 258_048)
      t.notOk(
        withOld && area.equals((await readFile(begun)).subarray(2 * 1024 ** 2, 2 * 1024 ** 2 + 258_048)),
      )
    },
  )

t.test('endReencryption() throws where it is not at its end, and changes nothing', async t => {
  const { device } = await marked(t)
  const before = await readFile(device)
  await t.rejects(endReencryption(device), { name: 'RangeError' })
  t.ok((await readFile(device)).equals(before))
})

t.test('keepVolumeKey() makes a key file that is missing or short', async t => {
  const { keyFile } = await marked(t)
  const header = await readLuksHeader(sample.device)
  const right = await readFile(keyFile)
  for (const spoil of [() => rm(keyFile), () => copyFile('/dev/null', keyFile)]) {
    await spoil()
    await keepVolumeKey(run, { device: sample.device, header, secret, file: keyFile })
    t.ok((await readFile(keyFile)).equals(right))
  }
})
