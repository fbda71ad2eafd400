import { mkdir, readdir, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cacheRoot, exists, hashFile, partialFolder } from '../cache.ts'
import { tool } from '../step.ts'
import { type Apt } from './apt.ts'

/** One downloaded package: `file` is a .deb whose sha256 is the one of apt's verified index. */
export type DebianPackage = {
  readonly name: string
  readonly version: string
  readonly sha256: string
  readonly file: string
}

type Candidate = {
  readonly name: string
  readonly version: string
  readonly sha256: string
  readonly filename: string
}

/**
 * Downloads the newest versions of packages and of all that they depend on (recommended ones not), from indexes
 * that apt has verified. Files already in the cache are taken only after their hash was compared.
 */
export async function downloadWithDependencies(apt: Apt, names: readonly string[]): Promise<DebianPackage[]> {
  const plan = await apt.get('install', '--simulate', '--no-install-recommends', ...names)
  // Inst libc6 (2.41-12 Debian:13.0/stable [amd64])
  const versions = [...plan.matchAll(/^Inst (\S+) \((\S+) /gm)].map(m => `${m[1] ?? ''}=${m[2] ?? ''}`)
  return download(apt, versions.sort())
}

/** Downloads exactly these packages (`name` or `name=version`), without dependencies. */
export async function download(apt: Apt, specs: readonly string[]): Promise<DebianPackage[]> {
  const candidates = parseCandidates(await apt.cache('show', '--no-all-versions', ...specs))
  const folder = join(cacheRoot(), 'debian', 'packages')
  await mkdir(folder, { recursive: true })
  const missing: Candidate[] = []
  for (const candidate of candidates) if (!(await isGood(candidate, folder))) missing.push(candidate)
  if (missing.length > 0) await fetchAll(apt, missing, folder)
  return candidates.map(c => ({
    name: c.name,
    version: c.version,
    sha256: c.sha256,
    file: join(folder, fileOf(c)),
  }))
}

/** Unpacks the files of a package below a folder; nothing of it is run. */
export async function unpack(from: DebianPackage, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await tool('dpkg-deb', ['--extract', from.file, folder], { log: `unpack-${from.name}` })
}

/** The stanzas of `apt-cache show`. Throws SyntaxError if one lacks a field that we rely on. */
export function parseCandidates(text: string): Candidate[] {
  return text
    .split(/\n\n+/)
    .filter(stanza => stanza.trim() !== '')
    .map(stanza => {
      const field = (name: string) => {
        const value = new RegExp(`^${name}: (.+)$`, 'm').exec(stanza)?.[1]
        if (value === undefined)
          throw new SyntaxError(`Cannot read package index: no ${name} in '${stanza.slice(0, 60)}'`)
        return value
      }
      return {
        name: field('Package'),
        version: field('Version'),
        sha256: field('SHA256'),
        filename: field('Filename'),
      }
    })
}

function fileOf(candidate: Candidate): string {
  return `${candidate.sha256.slice(0, 16)}-${basename(candidate.filename)}`
}

async function isGood(candidate: Candidate, folder: string): Promise<boolean> {
  const path = join(folder, fileOf(candidate))
  return (await exists(path)) && (await hashFile(path)) === candidate.sha256
}

/** By way of a folder of this download alone: what another one left, or is downloading now, has the same names. */
async function fetchAll(apt: Apt, missing: readonly Candidate[], folder: string): Promise<void> {
  await using incoming = await partialFolder('packages')
  await apt.download(
    missing.map(c => `${c.name}=${c.version}`),
    incoming.path,
  )
  const files = await readdir(incoming.path)
  for (const candidate of missing) {
    // apt writes the epoch's colon as %3a and keeps the rest of the index's file name.
    const found = files.find(name => name.startsWith(`${candidate.name}_`) && name.endsWith('.deb'))
    if (found === undefined) throw new Error(`Cannot find '${candidate.name}' after apt downloaded it`)
    const path = join(incoming.path, found)
    if ((await hashFile(path)) !== candidate.sha256)
      throw new Error(`Cannot use '${found}': its hash is not the index's`)
    await rename(path, join(folder, fileOf(candidate)))
  }
}
