import t from 'tap'
import { copyFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { run, type Run } from '../../../agent/system/run.ts'
import { readHeader } from '../../../agent/unlock/header-file.ts'
import {
  formatVolume,
  isWrongSecret,
  openVolume,
  removeToken,
  tryOpen,
  writeToken,
} from '../../../agent/unlock/volume.ts'
import { damageCopy, formattedFile, goodPair, writeAt } from './luks-samples.ts'

const folder = t.testdir()
const sample = await formattedFile(folder)
const { secret } = sample

/** A copy of the formatted file that a test may change. */
async function volume(t: { testdir(): string }): Promise<{ device: string; headerFile: string }> {
  const device = join(t.testdir(), 'data.img')
  await copyFile(sample.device, device)
  return { device, headerFile: `${device}.header` }
}

t.test('formatVolume() uses the UUID of the caller', async t => {
  const { header } = await readHeader(sample.device, join(t.testdir(), 'header'))
  t.equal(header.uuid, sample.uuid)
})

t.test('the secret opens with the checked copy of the header', async t => {
  const { device, headerFile } = await volume(t)
  await readHeader(device, headerFile)
  await t.resolves(tryOpen(run, { device, headerFile, secret }))
  t.ok((await stat(headerFile)).blocks * 512 < 1024 * 1024, 'the copy takes less than 1 MiB')
})

t.test('the secret opens with the checked copy also when the disk changes after the check', async t => {
  const { device, headerFile } = await volume(t)
  await readHeader(device, headerFile)
  await writeAt(device, 0, Buffer.alloc(24 * 1024 * 1024))
  await t.resolves(tryOpen(run, { device, headerFile, secret }))
})

t.test('the secret opens with the secondary copy where the primary is damaged', async t => {
  const { device, headerFile } = await volume(t)
  await damageCopy(device, 'primary')
  await readHeader(device, headerFile)
  await t.resolves(tryOpen(run, { device, headerFile, secret }))
})

t.test('a wrong secret is told from other errors', async t => {
  const { device, headerFile } = await volume(t)
  await readHeader(device, headerFile)
  const wrong = Buffer.from(secret).fill(1, 31)
  t.ok(isWrongSecret(await tryOpen(run, { device, headerFile, secret: wrong }).catch((e: unknown) => e)))
  const gone = { device: `${device}.gone`, headerFile, secret }
  t.notOk(isWrongSecret(await tryOpen(run, gone).catch((e: unknown) => e)))
})

t.test('a secret with line feeds and zeros is used whole', async t => {
  const device = join(t.testdir(), 'data.img')
  await copyFile(sample.device, device)
  const odd = Buffer.from('\n\0\r\n'.repeat(8))
  await formatVolume(run, { device, uuid: sample.uuid, secret: odd })
  const headerFile = `${device}.header`
  await readHeader(device, headerFile)
  await t.resolves(tryOpen(run, { device, headerFile, secret: odd }))
  const shorter = Buffer.from(odd).fill(9, 1)
  t.ok(isWrongSecret(await tryOpen(run, { device, headerFile, secret: shorter }).catch((e: unknown) => e)))
})

const wrongLengths = [0, 31, 33, 64]
for (const length of wrongLengths)
  t.test(`formatVolume() refuses a secret of ${length} bytes`, async t => {
    const none: Run = () => t.fail('cryptsetup was started') as never
    const format = formatVolume(none, { device: 'none', uuid: sample.uuid, secret: Buffer.alloc(length) })
    await t.rejects(format, { name: 'RangeError' })
  })

t.test('writeToken() adds a token and replaces it, in both copies', async t => {
  const { device, headerFile } = await volume(t)
  await writeToken(run, device, { type: 'orama-node', keyslots: [], revision: 1 })
  await writeToken(run, device, { type: 'orama-escrow', keyslots: [] })
  await writeToken(run, device, { type: 'orama-node', keyslots: [], revision: 2 })
  const { header } = await readHeader(device, headerFile)
  t.match(header.metadata.tokens, { '0': { type: 'orama-node', revision: 2 }, '1': { type: 'orama-escrow' } })
  const { primary, secondary } = await goodPair(device)
  t.equal(primary.json, secondary.json)
})

t.test('writeToken() keeps what JSON may hold: 512 KiB, slashes, numbers of 53 bits', async t => {
  const { device, headerFile } = await volume(t)
  const body = { text: 'a/b"\\é'.repeat(80_000), number: Number.MAX_SAFE_INTEGER, flag: false, list: [null] }
  await writeToken(run, device, { type: 'orama-node', keyslots: [], ...body })
  const { header } = await readHeader(device, headerFile)
  t.same(header.metadata.tokens['0'], { type: 'orama-node', keyslots: [], ...body })
})

t.test('writeToken() repairs a damaged copy', async t => {
  const { device } = await volume(t)
  await damageCopy(device, 'primary')
  await writeToken(run, device, { type: 'orama-escrow', keyslots: [] })
  const { primary, secondary } = await goodPair(device)
  t.equal(primary.json, secondary.json)
})

t.test('removeToken() takes one away, and throws where there is none', async t => {
  const { device, headerFile } = await volume(t)
  await writeToken(run, device, { type: 'orama-escrow', keyslots: [] })
  await removeToken(run, device, 'orama-escrow')
  t.same((await readHeader(device, headerFile)).header.metadata.tokens, {})
  await t.rejects(removeToken(run, device, 'orama-escrow'), { name: 'ProgramError' })
})

t.test('no secret is in the arguments of a program', async t => {
  const seen: string[] = []
  const spy: Run = (program, args) => {
    seen.push([program, ...args].join(' '))
    return Promise.resolve('')
  }
  const text = Buffer.from('0123456789abcdef0123456789abcdef')
  await formatVolume(spy, { device: 'd', uuid: sample.uuid, secret: text })
  await openVolume(spy, { device: 'd', name: 'data', headerFile: 'h', secret: text })
  t.equal(seen.length, 2)
  for (const line of seen)
    for (const form of ['latin1', 'hex', 'base64'] as const) t.notMatch(line, text.toString(form))
})
