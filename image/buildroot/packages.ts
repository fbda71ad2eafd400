import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import * as z from 'zod'
import { accepted, parseJsonFile } from '../../agent/services/json-file.ts'

/** What of Buildroot's `make show-info` we read: one entry a package that would be built. */
const infoSchema = z.record(
  z.string(),
  z.object({
    type: z.string(),
    virtual: z.boolean().optional(),
    version: z.string().optional(),
    package_dir: z.string().optional(),
    license_files: z.array(z.string()).optional(),
    downloads: z.array(z.object({ source: z.string(), uris: z.array(z.string()) })).optional(),
    hashes: z.array(z.string()).optional(),
  }),
)

export type PackageInfo = z.infer<typeof infoSchema>

export function parseInfo(json: string): PackageInfo {
  return accepted(infoSchema.safeParse(parseJsonFile(json, 'show-info')), 'show-info')
}

/** The packages of a tree among them. */
export function ourPackages(info: PackageInfo, tree: string): string[] {
  return Object.keys(info).filter(name => info[name]?.package_dir?.startsWith(`${tree}/`))
}

/** Our packages that would not be built, or that `show-info` cannot say enough about. */
export function unsoundPackages(info: PackageInfo, names: readonly string[]): string[] {
  return names.flatMap(name => {
    const found = info[name] ?? info[`host-${name}`]
    if (found === undefined) return [`${name}: would not be built`]
    const wrong = [
      ...(found.virtual === true ? ['is virtual'] : []),
      ...(found.version === undefined || found.version === '' ? ['has no version'] : []),
      ...((found.downloads ?? []).length === 0 ? ['downloads nothing'] : []),
    ]
    return wrong.map(why => `${name}: ${why}`)
  })
}

/** Every file to download of every package that has no hash, and of ours every licence file too. */
export async function unhashedFiles(info: PackageInfo, buildroot: string, ours: string): Promise<string[]> {
  const found: string[] = []
  for (const [name, { downloads = [], hashes = [], license_files: licenses = [], ...one }] of Object.entries(
    info,
  )) {
    const known = new Set<string>()
    for (const path of hashes)
      for (const file of hashedFiles(await readFile(resolve(buildroot, path), 'utf8').catch(() => '')))
        known.add(file)
    const own = resolve(buildroot, one.package_dir ?? '').startsWith(`${ours}/`)
    const wanted = [...downloads.map(one => one.source), ...(own ? licenses : [])]
    found.push(...wanted.filter(file => !known.has(file)).map(file => `${name}: no hash of ${file}`))
  }
  return found
}

/** The files of a .hash file that have a hash which somebody can still rely on. */
export function hashedFiles(text: string): string[] {
  return text
    .split('\n')
    .map(one => /^sha(?:256\s+[0-9a-f]{64}|512\s+[0-9a-f]{128})\s+(\S+)$/.exec(one)?.[1])
    .filter(file => file !== undefined)
}
