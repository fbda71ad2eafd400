import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { findEsp, tableBytes } from '../../operator/esp.ts'
import { changedBlocks } from '../../operator/image.ts'
import { configFolder, orama, owner } from './support.ts'

const exec = promisify(execFile)
const espType = Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex')
const first = 2048
const last = first + 4 * 2048 - 1

/** The first 34 sectors of a disk with one partition of 4 MiB at 1 MiB; CRCs are the firmware's business. */
function table(change: (bytes: Buffer) => void = () => undefined): Buffer {
  const bytes = Buffer.alloc(tableBytes)
  bytes.write('EFI PART', 512, 'latin1')
  bytes.writeBigUInt64LE(2n, 512 + 72)
  bytes.writeUInt32LE(128, 512 + 80)
  bytes.writeUInt32LE(128, 512 + 84)
  espType.copy(bytes, 1024)
  bytes.writeBigUInt64LE(BigInt(first), 1024 + 32)
  bytes.writeBigUInt64LE(BigInt(last), 1024 + 40)
  change(bytes)
  return bytes
}

t.test('findEsp() finds the partition by its type', async t => {
  t.same(findEsp(table()), { offset: 1024 * 1024, length: 4 * 1024 * 1024 })
  const third = table(
    bytes => bytes.copy(bytes, 1024 + 256, 1024, 1152).valueOf() && bytes.fill(1, 1024, 1152),
  )
  t.same(findEsp(third), { offset: 1024 * 1024, length: 4 * 1024 * 1024 })
})

const refused: readonly (readonly [string, Buffer])[] = [
  ['too short', table().subarray(1)],
  ['no GPT', table(bytes => bytes.fill(0, 512, 520))],
  ['no EFI partition', table(bytes => bytes.fill(0, 1024, 1152))],
  ['a partition that ends before it starts', table(bytes => bytes.writeBigUInt64LE(1n, 1024 + 40))],
  ['a partition over the table', table(bytes => bytes.writeBigUInt64LE(1n, 1024 + 32))],
  ['a partition of 8 TiB', table(bytes => bytes.writeBigUInt64LE(2n ** 34n, 1024 + 40))],
  ['entries of another size', table(bytes => bytes.writeUInt32LE(0, 512 + 84))],
  ['entries far away', table(bytes => bytes.writeBigUInt64LE(1000n, 512 + 72))],
  ['too many entries', table(bytes => bytes.writeUInt32LE(2 ** 31, 512 + 80))],
]

for (const [why, bytes] of refused)
  t.test(`findEsp() refuses: ${why}`, async t => t.throws(() => findEsp(bytes), { name: 'SyntaxError' }))

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
  await writeFile(raw, Buffer.concat([table(), Buffer.alloc(6 * 1024 * 1024 - tableBytes)]))
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
