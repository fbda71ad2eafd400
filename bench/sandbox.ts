import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { agentFlags } from '../image/boot/uki.ts'
import { tool } from '../image/step.ts'
import { clusterSecretBytes } from '../protocol/cluster-secret.ts'
import { workFolder } from '../qemu/folder.ts'
import { startMachine } from '../qemu/machine.ts'
import { builtStem, unpackRoot } from './artefacts.ts'
import { imageKernel } from './kernel.ts'
import type { Values } from './table.ts'

const deadlineMs = 600_000
const diskBytes = 3 * 1024 ** 3

const commandLine = [
  'console=ttyS0,115200 loglevel=4 panic=-1 root=/dev/vda rootfstype=ext4 rootflags=usrquota rw',
  `init=/usr/bin/node -- ${agentFlags.join(' ')} /bench.js`,
].join(' ')

/**
 * Figures of the sandbox: a machine whose root is the image's tree, on a disk that can be written, and whose PID 1
 * is `bench/guest/main.ts`. Nothing of it is in any image.
 */
export async function sandboxFigures(): Promise<Values> {
  await using folder = await workFolder()
  const disk = { file: await makeGuestDisk(folder.path), format: 'raw' } as const
  const kernel = { image: await imageKernel(), commandLine }
  const options = { folder: folder.path, name: 'sandbox', disk, kernel, secureBoot: false, noReboot: true }
  await using machine = await startMachine(options)
  const { groups } = await machine.console.waitFor(/bench: (\{.*\}|failed.*)\r?\n/, deadlineMs)
  return readFigures(groups[0] ?? '')
}

/** Throws Error with what the machine says where it is not its figures. */
export function readFigures(text: string): Values {
  if (!text.startsWith('{')) throw new Error(`Cannot measure the sandbox: ${text}`)
  return JSON.parse(text) as Values
}

async function makeGuestDisk(folder: string): Promise<string> {
  const tree = join(folder, 'tree')
  await unpackRoot(`${(await builtStem()).stem}.img`, tree)
  await writeFile(join(tree, 'bench.js'), await guestProgram(folder))
  const data = join(tree, 'opt/orama/.orama')
  for (const name of ['logs', 'agent']) await mkdir(join(data, name), { recursive: true })
  await writeFile(join(data, 'agent/cluster.secret'), randomBytes(clusterSecretBytes))
  const image = join(folder, 'sandbox.img')
  await writeFile(image, '')
  await tool('truncate', ['--size', String(diskBytes), image])
  const quota = ['-O', 'quota', '-E', 'quotatype=usrquota,root_owner=0:0']
  await tool('mke2fs', ['-q', '-t', 'ext4', ...quota, '-d', tree, image])
  return image
}

async function guestProgram(folder: string): Promise<string> {
  const outfile = join(folder, 'bench.js')
  await build({
    entryPoints: [join(import.meta.dirname, 'guest/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    define: { ORAMA_TEST_BUILD: 'false' },
    logLevel: 'error',
  })
  return readFile(outfile, 'utf8')
}
