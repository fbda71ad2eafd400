import { mkdir, readdir, readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Base } from '../base.ts'
import { cacheRoot, exists, hashFile, hashFolder, hashOf } from '../cache.ts'
import { buildInfo, goEnvironment } from '../go.ts'
import { fragmentPath, type Kernel } from '../kernel/build.ts'
import { missingOptions } from '../kernel/config.ts'
import { findLicenses } from '../licenses.ts'
import type { Release } from '../release.ts'
import { runtime } from '../rootfs/contents.ts'
import type { BuiltService, ChosenService } from '../services.ts'
import { step } from '../step.ts'
import { cleanChanged, madeFrom } from './changed.ts'
import { type Checkout, checkPath } from './checkout.ts'
import { externalTree } from './files.ts'
import { followBuild } from './follow.ts'
import { type Buildroot, buildroot, defconfig, makeVariables } from './make.ts'
import { ourPackages, type PackageInfo, parseInfo } from './packages.ts'
import { obtainBuildroot } from './source.ts'

/** Everything from source, by Buildroot with buildroot-external/: hours the first time, then what has changed. */
export async function buildrootBase(chosen: readonly ChosenService[], { test }: Release): Promise<Base> {
  checkPath(cacheRoot(), 'the cache, ORAMA_CACHE')
  checkPath(externalTree, 'this repository')
  const checkout = await obtainBuildroot(process.env)
  for (const warning of checkout.warnings) process.stderr.write(`warning: ${warning}\n`)
  const output = await outputFolder(checkout)
  await checkSpace(output)
  const env = {
    BR2_DL_DIR: process.env['BR2_DL_DIR'] ?? join(cacheRoot(), 'buildroot/dl'),
    ORAMAOS_TEST: test ? '1' : '0',
  }
  checkPath(env.BR2_DL_DIR, 'BR2_DL_DIR')
  const run = buildroot(checkout, output, env)
  await run(defconfig)
  const info = parseInfo(await run('show-info'))
  await cleanChanged(run, output, await madeFrom(ourPackages(info, externalTree), test))
  const progress = { done: await builtPackages(output), total: Object.keys(info).length }
  await step('Buildroot (hours the first time)', () => followBuild({ checkout, output, env, progress }))
  const target = join(output, 'target')
  return {
    files: () => Promise.resolve(target),
    efi: () => join(output, 'images/efi'),
    key: await hashFolder(target),
    packages: describeBuilt(info),
    kernel: await builtKernel(run, output),
    services: await Promise.all(chosen.map(one => builtService(one, { output, downloads: env.BR2_DL_DIR }))),
    agent: join(target, 'usr/lib/orama'),
    node: join(target, 'usr/bin', runtime),
  }
}

/** `name version sources` of each package that was built, for the host too. */
function describeBuilt(info: PackageInfo): string {
  const lines = Object.entries(info).map(([name, { version = '', downloads = [] }]) =>
    [name, version, ...downloads.map(one => one.source)].filter(Boolean).join(' '),
  )
  return lines.map(line => `${line}\n`).join('')
}

/** A folder a configuration: Buildroot cannot tell what to build anew when that changes. */
async function outputFolder({ folder }: Checkout): Promise<string> {
  const file = (path: string) => readFile(join(externalTree, path), 'utf8')
  const key = hashOf({
    folder,
    defconfig: await file(`configs/${defconfig}`),
    makefiles: (await file('external.mk')) + (await file('overrides.make')),
    patches: await hashFolder(join(externalTree, 'patches')),
  })
  const output = join(cacheRoot(), 'buildroot', `output-${key.slice(0, 16)}`)
  await mkdir(output, { recursive: true })
  return output
}

/** Measured: 15 of the build, 3 of sources, 1 of the image (docs/buildroot.md); one that goes on may be near its end. */
const gibNeeded = { start: 20, resume: 5 }

async function checkSpace(output: string): Promise<void> {
  const { bavail, bsize } = await statfs(output)
  const free = (bavail * bsize) / 1024 ** 3
  const needed = (await exists(join(output, 'host'))) ? gibNeeded.resume : gibNeeded.start
  if (free < needed)
    throw new RangeError(
      `Cannot build in '${output}': ${free.toFixed(1)} GiB are free, need ${needed}; ORAMA_CACHE can name another place`,
    )
}

async function builtPackages(output: string): Promise<number> {
  const folders = await readdir(join(output, 'build')).catch(() => [])
  const built = await Promise.all(
    folders.map(name => exists(join(output, 'build', name, '.stamp_installed'))),
  )
  return built.filter(Boolean).length
}

async function builtKernel(run: Buildroot, output: string): Promise<Kernel> {
  const { LINUX_VERSION: version } = await makeVariables(run, ['LINUX_VERSION'])
  const config = join(output, 'build', `linux-${version}`, '.config')
  const missing = missingOptions(await readFile(fragmentPath, 'utf8'), await readFile(config, 'utf8'))
  if (missing.length > 0)
    throw new Error(`Cannot use this kernel, these lines vanished:\n${missing.join('\n')}`)
  return { bzImage: join(output, 'images/bzImage'), config, version }
}

type Built = { readonly output: string; readonly downloads: string }

/** Its modules lie where Buildroot's download step put them. */
async function builtService(
  { name, manifest, files, pin }: ChosenService,
  { output, downloads }: Built,
): Promise<BuiltService> {
  const base = { name, uid: manifest.uid, files, pin }
  if (pin === undefined) return { ...base, programs: [], buildInfo: '', licenses: [] }
  const program = join(output, 'target/usr/bin', pin.program)
  const go = join(output, 'host/lib/go/bin/go')
  const toolchain = { go, key: await hashFile(go) }
  const info = await buildInfo(program, toolchain)
  const modules = { GOMODCACHE: join(downloads, 'orama-go-modules'), GOPROXY: 'off', GOSUMDB: 'off' }
  const from = { go, env: { ...goEnvironment(toolchain, pin), ...modules } }
  return {
    ...base,
    programs: [program],
    buildInfo: info,
    licenses: await findLicenses(pin.program, info, from),
  }
}
