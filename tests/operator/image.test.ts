import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { makeGpt, partitionTypes } from '../../agent/disk/gpt.ts'
import type { Partition } from '../../agent/disk/gpt.ts'
import { findEsp, tableBytes } from '../../operator/esp.ts'
import { changedBlocks } from '../../operator/image.ts'
import { configFolder, orama, owner } from './support.ts'

const exec = promisify(execFile)
const mib = 1024 * 1024
const diskBytes = 6 * mib
const guid = (digit: string) => `${digit.repeat(8)}-1111-4111-8111-111111111111`
const esp = { label: 'esp', type: partitionTypes.esp, guid: guid('A'), firstLba: 2048, lastLba: 5 * 2048 - 1 }
const other = { ...esp, label: 'other', type: partitionTypes.linux, guid: guid('B') }

/** The first 34 sectors of a disk with these partitions, by default an ESP of 4 MiB at 1 MiB. */
function table(
  partitions: readonly (Partition | undefined)[] = [esp],
  change: (bytes: Buffer) => unknown = () => undefined,
  bytes = diskBytes,
): Buffer {
  const { primary } = makeGpt({ sectors: bytes / 512, diskGuid: guid('D'), partitions })
  change(primary)
  return primary
}

const found = [
  ['alone', [esp]],
  ['behind another partition and a gap', [{ ...other, firstLba: 34, lastLba: 2047 }, undefined, esp]],
] as const

for (const [where, partitions] of found)
  t.test(`findEsp() finds the partition by its type: ${where}`, async t =>
    t.same(findEsp(table(partitions), diskBytes), { offset: mib, length: 4 * mib }),
  )

const changed = (change: (bytes: Buffer) => unknown) => table([esp], change)
const tib = 1024 ** 4
const refused: readonly (readonly [string, Buffer, number?])[] = [
  ['too short', table().subarray(1)],
  ['no GPT', changed(bytes => bytes.fill(0, 512, 520))],
  ['no EFI partition', table([other])],
  ['a header whose checksum is wrong', changed(bytes => bytes.writeUInt8(1, 512 + 60))],
  ['entries whose checksum is wrong', changed(bytes => bytes.writeBigUInt64LE(3000n, 1024 + 32))],
  ['entries of another size', changed(bytes => bytes.writeUInt32LE(0, 512 + 84))],
  ['entries far away', changed(bytes => bytes.writeBigUInt64LE(1000n, 512 + 72))],
  ['the table of a larger disk', table([esp], () => undefined, 2 * diskBytes)],
  ['a partition of 8 TiB', table([{ ...esp, lastLba: 2 ** 34 }], () => undefined, 9 * tib), 9 * tib],
]

for (const [why, bytes, size = diskBytes] of refused)
  t.test(`findEsp() refuses: ${why}`, async t =>
    t.throws(() => findEsp(bytes, size), { name: 'SyntaxError' }),
  )

t.test('changedBlocks() joins neighbours and leaves out what is the same', async t => {
  const step = 64 * 1024
  const before = Buffer.alloc(5 * step - 100)
  const after = Buffer.from(before)
  for (const at of [0, step, 3 * step + 5, after.length - 1]) after[at] = 1
  t.same(changedBlocks(before, after), [
    { offset: 0, length: 2 * step },
    { offset: 3 * step, length: 2 * step - 100 },
  ])
  t.same(changedBlocks(before, before), [])
})

async function makeImage(folder: string): Promise<{ raw: string; qcow2: string }> {
  const [raw, qcow2] = [join(folder, 'node.img'), join(folder, 'node with space.qcow2')]
  await writeFile(raw, Buffer.concat([table(), Buffer.alloc(diskBytes - tableBytes)]))
  await exec('mformat', ['-i', `${raw}@@1M`, '-T', String(4 * 2048), '::'])
  await exec('mmd', ['-i', `${raw}@@1M`, '::/EFI'])
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2])
  return { raw, qcow2 }
}

async function operatorFileOf(folder: string, image: string): Promise<unknown> {
  const copy = join(folder, 'read.img')
  await exec('qemu-img', ['convert', '-O', 'raw', image, copy])
  return JSON.parse((await exec('mtype', ['-i', `${copy}@@1M`, '::/EFI/orama/node.json'])).stdout)
}

const noTools = await exec('qemu-img', ['--version']).then(
  () => false as const,
  () => 'qemu-img is not installed',
)

t.test(
  'image prepare writes the operator file, again and again, and nothing else',
  { skip: noTools },
  async t => {
    const config = await configFolder(t)
    const images = await makeImage(config)
    const untouched = await readFile(images.raw)
    for (const image of [images.raw, images.qcow2]) {
      const network = [
        '--address',
        '192.0.2.7/24',
        '--via',
        '192.0.2.1',
        '--dns',
        '192.0.2.53',
        '--dns',
        '192.0.2.54',
      ]
      const more = ['--gateway', 'https://gateway.example', '--ntp', 'a.example', '--hint', 'b.example:51820']
      const full = await orama(
        { config },
        'image',
        'prepare',
        image,
        '--owner',
        owner.toLowerCase(),
        ...network,
        ...more,
      )
      t.equal(full.code, 0, full.err)
      t.same(await operatorFileOf(config, image), {
        v: 1,
        owner,
        gateway: 'https://gateway.example',
        network: { address: '192.0.2.7/24', gateway: '192.0.2.1', dns: ['192.0.2.53', '192.0.2.54'] },
        ntp: ['a.example'],
        hints: ['b.example:51820'],
      })
      const less = await orama({ config }, 'image', 'prepare', image, '--owner', owner, '--json')
      t.match(JSON.parse(less.out), { file: { v: 1, owner } })
      t.same(await operatorFileOf(config, image), { v: 1, owner })
    }
    const after = await readFile(images.raw)
    t.same(after.subarray(0, 1024 * 1024), untouched.subarray(0, 1024 * 1024))
    t.same(after.subarray(5 * 1024 * 1024), untouched.subarray(5 * 1024 * 1024))
  },
)

const lines: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['no image', [], /Name one image/],
  ['two images', ['a', 'b'], /Name one image/],
  ['an owner with a digit wrong', ['x.img', '--owner', `${owner.slice(0, -1)}X`], /owner: /],
  ['a gateway without TLS', ['x.img', '--gateway', 'http://x.example'], /gateway: /],
  ['an address without default gateway', ['x.img', '--address', '192.0.2.7/24'], /network\.gateway: /],
  ['an image that is not there', ['/nonexistent/x.img'], /Cannot find image/],
]

for (const [why, words, message] of lines)
  t.test(`image prepare refuses: ${why}`, async t => {
    const ran = await orama({ config: '/nonexistent' }, 'image', 'prepare', ...words)
    t.equal(ran.code, 2)
    t.match(ran.err, message)
  })

t.test('image prepare leaves a file that is no OramaOS image alone', { skip: noTools }, async t => {
  const config = await configFolder(t)
  const path = join(config, 'other.img')
  await writeFile(path, Buffer.alloc(1024 * 1024, 7))
  const ran = await orama({ config }, 'image', 'prepare', path, '--owner', owner)
  t.equal(ran.code, 1)
  t.match(ran.err, /no GPT/)
  t.same(await readFile(path), Buffer.alloc(1024 * 1024, 7))
})
