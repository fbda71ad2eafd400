import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tool } from './step.ts'

const projectRoot = join(import.meta.dirname, '..')

/** What an image says about itself. */
export type Release = {
  /** Semver, for people. */
  readonly version: string
  /** Rising number, for systemd-boot and the updater. */
  readonly counter: number
  /** Unix seconds: the time of the commit, and of every file in the image. */
  readonly epochS: number
  readonly test: boolean
}

/** The release of this checkout: version of package.json, time of HEAD (or `SOURCE_DATE_EPOCH`), `COUNTER`, `TEST`. */
export async function thisRelease(env: NodeJS.ProcessEnv): Promise<Release> {
  refuseRelease(env)
  const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string
  }
  const epoch = env['SOURCE_DATE_EPOCH'] ?? (await commitTime())
  const text = env['COUNTER'] ?? '1'
  const counter = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (counter < 1)
    throw new RangeError(`Cannot use COUNTER '${text}': need a whole number from 1 to 9999999999`)
  if (!/^\d{1,11}$/.test(epoch))
    throw new RangeError(`Cannot use SOURCE_DATE_EPOCH '${epoch}': need Unix seconds`)
  return { version, counter, epochS: Number(epoch), test: env['TEST'] === '1' }
}

/** Every image of this version is a development image; with fault injection none is ever more. */
function refuseRelease(env: NodeJS.ProcessEnv): void {
  const wanted = env['ORAMA_RELEASE'] ?? ''
  if (wanted === '' || wanted === '0') return
  if (env['TEST'] === '1')
    throw new RangeError('Cannot build a release with TEST=1: fault injection is for development images')
  throw new RangeError(
    `Cannot use ORAMA_RELEASE '${wanted}': this version builds development images only, without release keys`,
  )
}

/** Without git (a source archive) all files carry the same early time. */
async function commitTime(): Promise<string> {
  const head = ['-c', 'safe.directory=*', '-C', projectRoot, 'log', '-1', '--format=%ct']
  return tool('git', head).then(
    text => text.trim(),
    () => '1767225600',
  )
}

/** os-release(5). systemd-boot sorts by IMAGE_VERSION: the counter, zero-padded to ten digits. */
export function osRelease(release: Release): string {
  const fields = {
    NAME: 'OramaOS',
    ID: 'oramaos',
    PRETTY_NAME: `"OramaOS ${release.version} (development build${release.test ? ', TEST' : ''})"`,
    VERSION_ID: release.version,
    IMAGE_ID: 'oramaos',
    IMAGE_VERSION: String(release.counter).padStart(10, '0'),
    ORAMA_BUILD: 'development',
    ORAMA_TEST: release.test ? '1' : '0',
    ORAMA_BUILD_TIME: String(release.epochS),
  }
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** The file name without its ending: oramaos-0.1.0-amd64, oramaos-0.1.0-test-amd64. */
export function artefactName(release: Release): string {
  return `oramaos-${release.version}${release.test ? '-test' : ''}-amd64`
}
