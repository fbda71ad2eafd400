import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { cacheRoot, exists, partialFolder } from '../cache.ts'
import { configureKernel, fragmentPath, unpackKernel } from '../kernel/build.ts'
import { tool } from '../step.ts'
import { walk } from '../walk.ts'
import { type Checkout, checkPath } from './checkout.ts'
import { externalTree, madeFiles, staleFiles } from './files.ts'
import { contradictions } from './fragment.ts'
import { type Buildroot, buildroot, defconfig, makeEnvironment, makeVariables } from './make.ts'
import { type PackageInfo, parseInfo, unhashedFiles, unsoundPackages } from './packages.ts'
import { symbolOf } from './service-package.ts'
import { lostLines, optionsOf, strayLines } from './symbols.ts'

/** What one check found: nothing, or a line for each thing that is wrong. */
export type Finding = {
  readonly name: string
  readonly complaints: readonly string[]
  /** What could not be looked at here, and why. */
  readonly note?: string
}

/** Buildroot with our configuration, and what it says of it. */
type Configured = {
  readonly checkout: Checkout
  readonly run: Buildroot
  readonly config: string
  readonly info: PackageInfo
  readonly packages: readonly string[]
  /** An empty folder. */
  readonly scratch: string
}

type Check = (configured: Configured) => Promise<Omit<Finding, 'name'>>

/** Nothing is built and nothing downloaded: what can be known of the tree by reading it. */
const checks: Readonly<Record<string, Check>> = {
  'files that are made': async () => ({ complaints: await staleFiles(await madeFiles()) }),
  'check-package': ({ checkout }) => checkPackage(checkout),
  symbols: async ({ config }) => {
    const ours = await readFile(join(externalTree, 'configs', defconfig), 'utf8')
    const lost = lostLines(ours, config).map(text => `Buildroot does not keep '${text}'`)
    return { complaints: [...lost, ...strayLines(ours).map(text => `Buildroot cannot read '${text}'`)] }
  },
  packages: ({ info, packages, config }) => {
    const selectable = packages.filter(name => !name.startsWith('host-'))
    const off = selectable.filter(name => !config.includes(`\nBR2_PACKAGE_${symbolOf(name)}=y\n`))
    const unsound = unsoundPackages(info, packages)
    return Promise.resolve({ complaints: [...off.map(name => `${name}: cannot be selected`), ...unsound] })
  },
  hashes: async ({ info, checkout }) => ({
    complaints: await unhashedFiles(info, checkout.folder, externalTree),
  }),
  options: checkOptions,
  'kernel fragment': checkFragment,
}

/** Checks buildroot-external/ against a Buildroot, each finding as soon as it is there. */
export async function* checkTree(checkout: Checkout): AsyncGenerator<Finding> {
  checkPath(cacheRoot(), 'the cache, ORAMA_CACHE')
  checkPath(externalTree, 'this repository')
  await using scratch = await partialFolder('buildroot-check')
  const configured = await configure(checkout, scratch.path)
  for (const [name, check] of Object.entries(checks)) yield { name, ...(await check(configured)) }
}

async function configure(checkout: Checkout, scratch: string): Promise<Configured> {
  const made = await makeConfig(checkout, join(scratch, 'output'), [defconfig])
  const folders = await readdir(join(externalTree, 'package'))
  const packages = await Promise.all(
    folders.map(async name =>
      (await exists(join(externalTree, 'package', name, 'Config.in'))) ? name : `host-${name}`,
    ),
  )
  return { checkout, ...made, packages: packages.sort(), scratch }
}

/** What Buildroot makes of a defconfig that `goals` name. */
async function makeConfig(
  checkout: Checkout,
  output: string,
  goals: readonly string[],
): Promise<Pick<Configured, 'run' | 'config' | 'info'>> {
  const run = buildroot(checkout, output)
  await run(...goals)
  await run('olddefconfig')
  const config = await readFile(join(output, '.config'), 'utf8')
  return { run, config, info: parseInfo(await run('show-info')) }
}

/** What our packages offer besides: nobody chooses it here, and it must be as sound when somebody does. */
async function checkOptions({ checkout, packages, scratch }: Configured): Promise<Omit<Finding, 'name'>> {
  const texts = packages
    .filter(name => !name.startsWith('host-'))
    .map(name => readFile(join(externalTree, 'package', name, 'Config.in'), 'utf8'))
  const symbols = optionsOf((await Promise.all(texts)).join('\n'), packages.map(symbolOf))
  const chosen = symbols.map(symbol => `${symbol}=y\n`).join('')
  const file = join(scratch, 'options_defconfig')
  await writeFile(file, (await readFile(join(externalTree, 'configs', defconfig), 'utf8')) + chosen)
  const goals = ['defconfig', `BR2_DEFCONFIG=${file}`]
  const { config, info } = await makeConfig(checkout, join(scratch, 'options'), goals)
  const lost = lostLines(chosen, config).map(text => `Buildroot does not keep '${text}'`)
  return { complaints: [...lost, ...(await unhashedFiles(info, checkout.folder, externalTree))] }
}

/** Buildroot's own judgement of style; its output is one line a warning. */
async function checkPackage({ folder }: Checkout): Promise<Omit<Finding, 'name'>> {
  const files = (await walk(externalTree)).filter(entry => entry.isFile())
  const args = ['utils/check-package', '--br2-external', ...files.map(e => join(e.parentPath, e.name))]
  const python = await pythonWith(['magic', 'flake8'])
  const options = { cwd: folder, env: makeEnvironment(), log: 'check-package', statuses: [0, 1] }
  const output = await tool(python, args, options)
  const complaints = output.split('\n').filter(text => text !== '')
  return { complaints: complaints.map(text => text.replaceAll(`${externalTree}/`, 'buildroot-external/')) }
}

/** Debian's modules are Debian's Python's, which need not be the first in the search path. */
async function pythonWith(modules: readonly string[]): Promise<string> {
  for (const python of ['python3', '/usr/bin/python3'])
    if (
      await tool(python, ['-c', `import ${modules.join(', ')}`], { log: 'python-modules' }).then(
        () => true,
        () => false,
      )
    )
      return python
  throw new Error(
    `Cannot run check-package: no python3 here has ${modules.join(' and ')}; run 'make setup' first`,
  )
}

/**
 * That Buildroot takes our fragment on top of tinyconfig and says nothing else itself. Whether each line survives
 * olddefconfig needs the kernel's source: looked at if it is in the download folder; a build looks in any case.
 */
async function checkFragment({ run, scratch }: Configured): Promise<Omit<Finding, 'name'>> {
  const names = [
    'LINUX_KCONFIG_DEFCONFIG',
    'LINUX_KCONFIG_FRAGMENT_FILES',
    'LINUX_VERSION',
    'DL_DIR',
  ] as const
  const variables = await makeVariables(run, names)
  const fragment = await readFile(fragmentPath, 'utf8')
  const fragments = variables.LINUX_KCONFIG_FRAGMENT_FILES
  const complaints = [
    ...(variables.LINUX_KCONFIG_DEFCONFIG === 'tinyconfig' ? [] : ['it is not on top of tinyconfig']),
    ...(relative(fragments, fragmentPath) === '' ? [] : [`Buildroot takes '${fragments}'`]),
    ...contradictions(fragment, await run('printvars', 'VARS=LINUX_KCONFIG_FIXUP_CMDS')),
  ]
  const source = join(variables.DL_DIR, 'linux', `linux-${variables.LINUX_VERSION}.tar.xz`)
  if (!(await exists(source))) return { complaints, note: `its lines are not tried: there is no '${source}'` }
  const work = join(scratch, 'linux')
  await unpackKernel(source, work)
  await configureKernel(work, fragment).catch((error: unknown) => complaints.push(String(error)))
  return { complaints }
}
