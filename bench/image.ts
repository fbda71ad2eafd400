import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cacheRoot } from '../image/cache.ts'
import { loader } from '../image/rootfs/contents.ts'
import { makeSlot } from '../image/rootfs/squashfs.ts'
import { tool } from '../image/step.ts'
import { walk } from '../image/walk.ts'
import { builtStem, readSizes, unpackRoot } from './artefacts.ts'
import type { Values } from './table.ts'

const projectRoot = join(import.meta.dirname, '..')

/** Figures of the image and its build. `COLD=1` also builds with an empty cache, which takes about 15 minutes. */
export async function imageFigures(): Promise<Values> {
  const cold = process.env['COLD'] === '1' ? { image_cold_s: await buildCold() } : {}
  await timeBuild({}) // brings the cache up to date
  const image_warm_s = await timeBuild({})
  const { stem, release } = await builtStem()
  const sizes = readSizes(await readFile(`${stem}.sizes`, 'utf8'))
  const qcow2_mib = (await stat(`${stem}.qcow2`)).size / 1024 / 1024
  const all = process.env['SERVICES'] === undefined ? { image_services_mib: qcow2_mib } : {}
  const root = await rootFigures(`${stem}.img`, release.epochS)
  return { ...cold, image_warm_s, qcow2_mib, ...all, uki_mib: sizes('uki'), ...root }
}

async function buildCold(): Promise<number> {
  const cache = await scratchFolder()
  try {
    return await timeBuild({
      ORAMA_CACHE: cache,
      GOCACHE: join(cache, 'go-build'),
      GOMODCACHE: join(cache, 'go-mod'),
    })
  } finally {
    // Go's module cache is read-only.
    await tool('chmod', ['-R', 'u+w', cache])
    await rm(cache, { recursive: true })
  }
}

async function timeBuild(env: Readonly<Record<string, string>>): Promise<number> {
  const start = performance.now()
  const child = spawn(process.execPath, [join(projectRoot, 'image/main.ts')], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (status !== 0) throw new Error(`Cannot time the build: it ended with status ${String(status)}`)
  return (performance.now() - start) / 1000
}

/** Takes the root file system out of the image, and packs it again without services. */
async function rootFigures(image: string, epochS: number): Promise<Values> {
  const folder = await scratchFolder()
  try {
    const tree = join(folder, 'tree')
    await unpackRoot(image, tree)
    for (const path of await serviceFiles(tree)) await rm(join(tree, path), { recursive: true })
    const slot = await makeSlot(tree, join(folder, 'slot.img'), epochS)
    return { rootfs_mib: slot.bytes / 1024 / 1024, executables: await countExecutables(tree) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

const services = 'usr/lib/orama/services'

async function serviceFiles(tree: string): Promise<string[]> {
  const manifests = (await walk(join(tree, services))).filter(entry => entry.name === 'service.json')
  const programs = manifests.map(async entry => {
    const { command } = JSON.parse(await readFile(join(entry.parentPath, entry.name), 'utf8')) as {
      command: readonly string[]
    }
    return join('usr/bin', basename(command[0] ?? ''))
  })
  return [services, ...(await Promise.all(programs))]
}

async function countExecutables(tree: string): Promise<number> {
  let count = 0
  for (const entry of await walk(tree)) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && path !== join(tree, loader) && ((await stat(path)).mode & 0o111) !== 0) count += 1
  }
  return count
}

async function scratchFolder(): Promise<string> {
  const partial = join(cacheRoot(), 'partial')
  await mkdir(partial, { recursive: true })
  return mkdtemp(join(partial, 'bench-'))
}
