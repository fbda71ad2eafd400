import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheRoot, exists } from '../cache.ts'
import { type Checkout, checkPath, openCheckout } from './checkout.ts'
import { externalTree, writeMadeFiles } from './files.ts'
import { buildroot, defconfig, makeArgs, makeEnvironment } from './make.ts'
import { pin, waysOut } from './pin.ts'
import { report } from './report.ts'
import { mergeDefconfig } from './symbols.ts'

/** The verbs `make buildroot-…`. */
const verbs: Readonly<Record<string, () => Promise<void>>> = { check, files, menuconfig, savedefconfig }

const ours = join(externalTree, 'configs', defconfig)

try {
  const [name = ''] = process.argv.slice(2)
  const verb = verbs[name]
  if (verb === undefined)
    throw new RangeError(`no such verb '${name}'; there are ${Object.keys(verbs).join(', ')}`)
  await verb()
} catch (error) {
  for (let e = error; e instanceof Error; e = e.cause) process.stderr.write(`error: ${e.message}\n`)
  process.exitCode = 1
}

async function check(): Promise<void> {
  const { passed, failed } = await report(await given())
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 ? 0 : 1
}

async function files(): Promise<void> {
  for (const path of await writeMadeFiles()) process.stdout.write(`buildroot-external/${path}\n`)
}

/** Buildroot's menus on our configuration; what is chosen stays in the cache until it is saved. */
async function menuconfig(): Promise<void> {
  const checkout = await given()
  const output = await menuFolder()
  if (!(await exists(join(output, '.config')))) await buildroot(checkout, output)(defconfig)
  const child = spawn('make', makeArgs(output, ['menuconfig']), {
    cwd: checkout.folder,
    env: { ...process.env, ...makeEnvironment() },
    stdio: 'inherit',
  })
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 0) throw new Error(`Cannot show the menus: make ended with status ${String(status)}`)
  process.stdout.write('make buildroot-savedefconfig puts this into buildroot-external/configs\n')
}

async function savedefconfig(): Promise<void> {
  const checkout = await given()
  const output = await menuFolder()
  if (!(await exists(join(output, '.config'))))
    throw new Error("Cannot save a configuration: there is none, run 'make buildroot-menuconfig' first")
  const saved = join(output, 'saved_defconfig')
  await buildroot(checkout, output)('savedefconfig', `DEFCONFIG=${saved}`)
  const [before, config, text] = await Promise.all(
    [ours, join(output, '.config'), saved].map(path => readFile(path, 'utf8')),
  )
  await writeFile(ours, mergeDefconfig(before ?? '', config ?? '', text ?? ''))
  process.stdout.write(`buildroot-external/configs/${defconfig}\n`)
}

async function menuFolder(): Promise<string> {
  const folder = join(cacheRoot(), 'buildroot', 'menuconfig')
  checkPath(folder, 'the cache, ORAMA_CACHE')
  await mkdir(folder, { recursive: true })
  return folder
}

/** These verbs are for somebody who has a Buildroot. */
async function given(): Promise<Checkout> {
  const folder = process.env['BUILDROOT_DIR']
  if (folder === undefined || folder === '')
    throw new RangeError(`Cannot go on without Buildroot ${pin.version}: ${waysOut.split(', or')[0] ?? ''}`)
  return openCheckout(folder)
}
