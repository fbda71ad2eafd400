import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheRoot } from '../cache.ts'
import { tool } from '../step.ts'

/** Debian 13. The image's suite, whatever the build host runs. */
const suite = 'trixie'
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
const listsHoursMax = 24
/** On the command line: a host's own settings come after our file, and those of a container switch these caches off. */
const keepIndex = ['pkgcache', 'srcpkgcache'].flatMap(name => ['-o', `Dir::Cache::${name}=${name}.bin`])

/** An apt of its own: sources, lists and status apart from the host's, usable by an ordinary user. */
export type Apt = {
  readonly get: (...args: readonly string[]) => Promise<string>
  readonly cache: (...args: readonly string[]) => Promise<string>
  readonly download: (specs: readonly string[], folder: string) => Promise<void>
}

/**
 * Opens it and refreshes its indexes when they are older than a day (`REFRESH=1`: always). apt verifies them
 * with Debian's archive keys. The mirror is the one that the host's own apt uses, or `ORAMA_DEBIAN_MIRROR`.
 */
export async function openApt(): Promise<Apt> {
  const root = join(cacheRoot(), 'debian', suite)
  for (const folder of ['lists/partial', 'archives/partial'])
    await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, 'sources.list'), sourcesList(await mirrors()))
  await writeFile(join(root, 'apt.conf'), aptConf(root))
  const env = { APT_CONFIG: join(root, 'apt.conf') }
  const apt: Apt = {
    get: (...args) => tool('apt-get', [...keepIndex, ...args], { env, log: `apt-get-${args[0] ?? ''}` }),
    cache: (...args) =>
      tool('apt-cache', [...keepIndex, ...args], { env, log: `apt-cache-${args[0] ?? ''}` }),
    download: async (specs, folder) => {
      await tool('apt-get', ['download', ...specs], { env, cwd: folder, log: 'apt-get-download' })
    },
  }
  await refresh(apt, join(root, 'refreshed'))
  return apt
}

async function refresh(apt: Apt, stamp: string): Promise<void> {
  const age = await stat(stamp).then(
    s => Date.now() - s.mtimeMs,
    () => Infinity,
  )
  if (age < listsHoursMax * 3_600_000 && process.env['REFRESH'] !== '1') return
  await rm(stamp, { force: true })
  await apt.get('update', '--error-on=any')
  await writeFile(stamp, '')
}

type Mirrors = { readonly main: string; readonly security: string }

async function mirrors(): Promise<Mirrors> {
  const given = process.env['ORAMA_DEBIAN_MIRROR']
  if (given !== undefined) return { main: given, security: `${given.replace(/\/$/, '')}-security` }
  const targets = await tool('apt-get', ['indextargets', '--format', '$(REPO_URI) $(LABEL)'], {
    log: 'apt-mirrors',
  })
  const uri = (label: string) =>
    targets
      .split('\n')
      .find(line => line.endsWith(` ${label}`))
      ?.split(' ')[0]
  const main = uri('Debian')
  const security = uri('Debian-Security')
  if (main === undefined || security === undefined)
    throw new Error(
      "Cannot find a Debian mirror in this host's apt: set ORAMA_DEBIAN_MIRROR to the address of one",
    )
  return { main, security }
}

function sourcesList({ main, security }: Mirrors): string {
  const line = (uri: string, name: string) => `deb [signed-by=${keyring}] ${uri} ${name} main\n`
  return [
    line(main, suite),
    line(main, `${suite}-updates`),
    line(main, `${suite}-backports`),
    line(security, `${suite}-security`),
  ].join('')
}

function aptConf(root: string): string {
  return `
Dir::Etc::SourceList "${root}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "${root}/lists";
Dir::State::status "/dev/null";
Dir::State::extended_states "/dev/null";
Dir::Log::Planner "/dev/null";
Dir::Cache "${root}";
Debug::NoLocking "true";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
`
}
