import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { readServiceFolder, type ServiceFolder } from '../agent/services/folder.ts'
import { checkManifests } from '../agent/services/manifest.ts'
import { exists } from './cache.ts'
import type { DebianPackage } from './debian/packages.ts'
import {
  besideProgram,
  buildModule,
  goEnvironment,
  type GoModule,
  goToolchain,
  parseModule,
  type Toolchain,
} from './go.ts'
import { findLicenses, type ModuleLicense } from './licenses.ts'
import type { ServiceFiles } from './rootfs/assemble.ts'
import { bundle } from './bundle.ts'
import { constantServices, ownServices, runtime, testServices } from './rootfs/contents.ts'

const projectRoot = join(import.meta.dirname, '..')

/** A service of the image before its program is built: what its folder says. */
export type ChosenService = ServiceFolder & {
  readonly name: string
  /** Undefined where the program is run by the image's own Node. */
  readonly pin: GoModule | undefined
}

/** A service with its program. */
export type BuiltService = ServiceFiles & {
  readonly pin: GoModule | undefined
  /** `go version -m` of the program; empty without one of its own. */
  readonly buildInfo: string
  /** Of the modules in the program. */
  readonly licenses: readonly ModuleLicense[]
}

/**
 * The services that go into the image: those that the list names ('rqlite,coredns'), or all that have a folder;
 * those that no image is without in any case, test services only where `test` says so.
 * Everything about them is judged here, before anything is built. Throws RangeError for a list that cannot be,
 * SyntaxError for a file that is wrong; both name what is meant.
 */
export async function chooseServices(
  list: string | undefined,
  folder = join(projectRoot, 'services'),
  test = false,
): Promise<ChosenService[]> {
  const known = (await serviceNames(folder)).filter(name => test || !testServices.includes(name))
  const wanted = [...chosenNames(list, known), ...constantServices]
  const names = known.filter(name => wanted.includes(name))
  const chosen = await Promise.all(names.map(name => readService(folder, name, test)))
  const files = chosen.map(({ name }) => fileName(join(folder, name, 'service.json')))
  try {
    checkManifests(chosen.map(one => one.manifest))
  } catch (cause) {
    throw new RangeError(`Cannot put these into one image: ${files.join(', ')}`, { cause })
  }
  checkPrograms(chosen)
  return chosen
}

/** The wanted of the known names, each once, in the order of the known. Throws RangeError, see `chooseServices`. */
export function chosenNames(list: string | undefined, known: readonly string[]): string[] {
  if (list === undefined) return [...known]
  const wanted = list
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  if (wanted.length === 0)
    throw new RangeError(`Cannot use SERVICES '${list}': it names none; there are ${known.join(', ')}`)
  const unknown = wanted.find(name => !known.includes(name))
  if (unknown !== undefined)
    throw new RangeError(
      `Cannot use SERVICES '${list}': there is no '${unknown}'; there are ${known.join(', ')}`,
    )
  return known.filter(name => wanted.includes(name))
}

/** Builds the chosen services' programs with Debian's Go, or takes them from the cache. */
export async function buildServices(
  go: readonly DebianPackage[],
  chosen: readonly ChosenService[],
): Promise<BuiltService[]> {
  const toolchain = await goToolchain(go)
  const built: BuiltService[] = []
  for (const { name, files, manifest, pin } of chosen)
    built.push({ name, uid: manifest.uid, files, pin, ...(await programOf(pin, toolchain)) })
  return built
}

async function programOf(
  pin: GoModule | undefined,
  toolchain: Toolchain,
): Promise<Pick<BuiltService, 'programs' | 'buildInfo' | 'licenses'>> {
  if (pin === undefined) return { programs: [], buildInfo: '', licenses: [] }
  const made = await buildModule(pin, toolchain)
  const buildInfo = await readFile(join(made, besideProgram.buildInfo), 'utf8')
  const from = { go: toolchain.go, env: goEnvironment(toolchain, pin) }
  const licenses = await findLicenses(pin.program, buildInfo, from)
  return { programs: [join(made, pin.program)], buildInfo, licenses }
}

async function serviceNames(folder: string): Promise<string[]> {
  const names: string[] = []
  for (const name of (await readdir(folder)).sort())
    if (await exists(join(folder, name, 'service.json'))) names.push(name)
  return names
}

async function readService(folder: string, name: string, test: boolean): Promise<ChosenService> {
  const { manifest, files } = await readServiceFolder(folder, name, fileName(folder))
  if (ownServices.includes(name))
    return { name, manifest, files: await bundled(name, files, test), pin: undefined }
  if (testServices.includes(name) && manifest.command[0] === `/usr/bin/${runtime}`)
    return { name, manifest, files, pin: undefined }
  const moduleFile = join(folder, name, 'module.json')
  const pin = parseModule(await readFile(moduleFile, 'utf8'), fileName(moduleFile))
  if (manifest.command[0] !== `/usr/bin/${pin.program}`)
    throw new SyntaxError(
      `Cannot use '${fileName(join(folder, name, 'service.json'))}': command.0: the program is /usr/bin/${pin.program}`,
    )
  return { name, manifest, files, pin }
}

/**
 * What the image has of a program of ours: its manifest, and one file instead of its folder. `ORAMA_TEST_BUILD` as in
 * the agent: see agent.ts.
 */
async function bundled(
  name: string,
  { 'service.json': manifest = '' }: ServiceFolder['files'],
  test: boolean,
): Promise<ServiceFolder['files']> {
  const { text } = await bundle(`services/${name}/main.ts`, { ORAMA_TEST_BUILD: String(test) })
  return { 'service.json': manifest, 'main.js': text }
}

/** All programs lie in one folder of the image. */
function checkPrograms(chosen: readonly ChosenService[]): void {
  const built = chosen.flatMap(({ name, pin }) => (pin === undefined ? [] : { name, program: pin.program }))
  for (const { name, program } of built) {
    const other = built.find(one => one.program === program && one.name !== name)
    if (other !== undefined)
      throw new RangeError(`Cannot put '${name}' and '${other.name}' into one image: both are ${program}`)
  }
}

/** As people know it: services/rqlite/service.json, wherever the checkout lies. */
function fileName(path: string): string {
  return relative(projectRoot, path)
}
