import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { parseOperatorFile } from '../protocol/operator-file.ts'
import type { OperatorFile } from '../protocol/operator-file.ts'
import { all, optional } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { findEsp, tableBytes } from './esp.ts'
import type { Range } from './esp.ts'
import { Failure } from './failure.ts'
import type { World } from './world.ts'

/** Writes EFI/orama/node.json into an image, before it is flashed. */
export const imagePrepare: Command = {
  help: 'write the owner and the network into an image, before it is flashed',
  words: ['IMAGE'],
  options: {
    owner: { help: 'wallet address; only its grants enroll the node', value: 'ADDRESS' },
    gateway: { help: 'gateway of the cluster', value: 'URL' },
    address: { help: 'static address with prefix, where there is no DHCP', value: 'IP/PREFIX' },
    via: { help: 'default gateway of the static address', value: 'IP' },
    dns: { help: 'name server with the static address', value: 'IP', many: true },
    interface: { help: 'name or MAC address of the interface for it', value: 'NAME' },
    ntp: { help: 'time server', value: 'HOST', many: true },
    hint: {
      help: 'where another node may be found, by a name that follows its address',
      value: 'HOST:PORT',
      many: true,
    },
  },
  examples: [
    'orama image prepare oramaos-0.1.0-amd64.qcow2 --owner 0x52908400098527886E0F7030069857D2E4169EE7',
    'orama image prepare node.qcow2 --owner 0x… --address 192.0.2.7/24 --via 192.0.2.1 --dns 192.0.2.53',
  ],
  run: prepare,
}

async function prepare(world: World, input: Input): Promise<Output> {
  const [image, ...rest] = input.words
  if (image === undefined || rest.length > 0) throw new Failure('usage', 'Name one image')
  const text = operatorFileText(input)
  const path = resolve(image)
  const { format, 'virtual-size': bytes } = await imageInfo(world, path)
  await using folder = await scratchFolder()
  const disk: Disk = { world, path, format, bytes, folder: folder.path }
  await writeIntoEsp(disk, text)
  const shown = { path, format, file: JSON.parse(text) as unknown }
  return { json: shown, text: `${path}: EFI/orama/node.json is\n${text.trimEnd()}` }
}

/** The operator file that the options mean, checked by the parser that the node uses. Throws Failure 'usage'. */
export function operatorFileText(input: Input): string {
  const text = `${JSON.stringify(compact(fileOf(input)), null, 2)}\n`
  try {
    return `${JSON.stringify(parseOperatorFile(text), null, 2)}\n`
  } catch (cause) {
    throw new Failure('usage', 'Cannot make the operator file of these options', { cause })
  }
}

function fileOf(input: Input): Record<keyof OperatorFile, unknown> {
  const [address, via] = [optional(input, 'address'), optional(input, 'via')]
  const dns = all(input, 'dns')
  const name = optional(input, 'interface')
  const hasNetwork = [address, via, name].some(value => value !== undefined) || dns.length > 0
  return {
    v: 1,
    owner: optional(input, 'owner'),
    gateway: optional(input, 'gateway'),
    network: hasNetwork ? compact({ address, gateway: via, dns, interface: name }) : undefined,
    ntp: unlessEmpty(all(input, 'ntp')),
    hints: unlessEmpty(all(input, 'hint')),
  }
}

function unlessEmpty(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : values
}

function compact(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
}

const infoSchema = z.object({ format: z.enum(['qcow2', 'raw']), 'virtual-size': z.int().min(0) })

async function imageInfo(world: World, path: string): Promise<z.infer<typeof infoSchema>> {
  await stat(path).catch((cause: unknown) => {
    throw new Failure('usage', `Cannot find image '${path}'`, { cause })
  })
  const parsed = infoSchema.safeParse(
    JSON.parse(await world.run('qemu-img', ['info', '--output=json', path])),
  )
  if (!parsed.success) throw new Failure('usage', `Cannot use image '${path}': neither qcow2 nor raw`)
  return parsed.data
}

type Disk = {
  readonly world: World
  readonly path: string
  readonly format: 'qcow2' | 'raw'
  /** Size of the disk that is in it. */
  readonly bytes: number
  readonly folder: string
}

async function writeIntoEsp(disk: Disk, text: string): Promise<void> {
  const esp = findEsp(await readRange(disk, { offset: 0, length: tableBytes }), disk.bytes)
  disk.world.err('Writing the operator file into the EFI system partition\n')
  const before = await readRange(disk, esp)
  const after = await withOperatorFile(disk, before, text)
  for (const range of changedBlocks(before, after)) await writeRange(disk, esp, { range, after })
}

async function withOperatorFile(disk: Disk, esp: Buffer, text: string): Promise<Buffer> {
  const [copy, file] = [join(disk.folder, 'esp.img'), join(disk.folder, 'node.json')]
  await writeFile(copy, esp)
  await writeFile(file, text)
  const options = { env: { MTOOLS_SKIP_CHECK: '1' } }
  // -D s: skip what is there already. mtools has no "make unless it exists".
  await disk.world.run('mmd', ['-D', 's', '-i', copy, '::EFI/orama'], options).catch(() => undefined)
  await disk.world.run('mcopy', ['-o', '-i', copy, file, '::EFI/orama/node.json'], options)
  return readFile(copy)
}

// Reads and writes of a range go through QEMU's own tools: they know qcow2 and need no root.
async function readRange(disk: Disk, range: Range): Promise<Buffer> {
  const copy = join(disk.folder, 'range')
  const step = stepOf(range)
  // qemu-img counts `count` from the start of the disk, dd(1) from `skip`: this is enough for either.
  const where = [`bs=${step}`, `skip=${range.offset / step}`, `count=${(range.offset + range.length) / step}`]
  await disk.world.run('qemu-img', [
    'dd',
    '-f',
    disk.format,
    '-O',
    'raw',
    ...where,
    `if=${disk.path}`,
    `of=${copy}`,
  ])
  const bytes = await readFile(copy)
  await rm(copy)
  if (bytes.length < range.length) throw new Failure('failed', `Cannot read '${disk.path}': it is too short`)
  return bytes.subarray(0, range.length)
}

/** The largest power of two, up to 1 MiB, that divides start and length. */
function stepOf(range: Range): number {
  let step = 1024 * 1024
  while (range.offset % step !== 0 || range.length % step !== 0) step /= 2
  return step
}

async function writeRange(disk: Disk, esp: Range, part: { range: Range; after: Buffer }): Promise<void> {
  const { offset, length } = part.range
  await writeFile(join(disk.folder, 'block'), part.after.subarray(offset, offset + length))
  // The command of qemu-io is split at spaces, so the file has a name without any, in the working folder.
  const command = `write -s block ${esp.offset + offset} ${length}`
  await disk.world.run('qemu-io', ['-f', disk.format, '-c', command, '-c', 'flush', disk.path], {
    cwd: disk.folder,
  })
}

const blockBytes = 64 * 1024

/** The ranges in which two buffers of one length differ, neighbours joined, in steps of 64 KiB. */
export function changedBlocks(before: Buffer, after: Buffer): readonly Range[] {
  const ranges: Range[] = []
  for (let offset = 0; offset < after.length; offset += blockBytes) {
    const end = Math.min(offset + blockBytes, after.length)
    if (before.subarray(offset, end).equals(after.subarray(offset, end))) continue
    const last = ranges.at(-1)
    if (last !== undefined && last.offset + last.length === offset)
      ranges[ranges.length - 1] = { offset: last.offset, length: end - last.offset }
    else ranges.push({ offset, length: end - offset })
  }
  return ranges
}

async function scratchFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'orama-image-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
