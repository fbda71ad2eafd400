import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { agentFolders } from '../agent.ts'
import { hashFile, hashFolder } from '../cache.ts'
import { fragmentPath } from '../kernel/build.ts'
import { externalTree } from './files.ts'
import type { Buildroot } from './make.ts'

/** Package → hash of what of ours it is made from. */
export type MadeFrom = Readonly<Record<string, string>>

const madeFromSchema = z.record(z.string(), z.string())

/**
 * Buildroot builds a package anew when its version changes, and not for a change of recipe, fragment or agent:
 * those are remembered here beside the build, and what changed is cleaned, so that it is made again.
 */
export async function cleanChanged(run: Buildroot, output: string, now: MadeFrom): Promise<void> {
  const file = join(output, '.orama-made-from.json')
  for (const name of changedPackages(await remembered(file), now)) await run(`${name}-dirclean`)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, JSON.stringify(now))
}

/** Those that were remembered with another hash. */
export function changedPackages(before: MadeFrom, now: MadeFrom): string[] {
  return Object.keys(now).filter(name => before[name] !== undefined && before[name] !== now[name])
}

/** What each of these packages, and the kernel, is made from. */
export async function madeFrom(packages: readonly string[], test: boolean): Promise<MadeFrom> {
  const found: Record<string, string> = { linux: await hashFile(fragmentPath) }
  for (const name of packages)
    found[name] = await hashFolder(join(externalTree, 'package', name.replace(/^host-/, '')))
  const sources = agentFolders.map(name => hashFolder(join(externalTree, '..', name)))
  found['orama-agent'] = [String(test), found['orama-agent'], ...(await Promise.all(sources))].join(' ')
  return found
}

/** A file that cannot be read is none: then nothing is known to have changed. */
async function remembered(file: string): Promise<MadeFrom> {
  try {
    return madeFromSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return {}
  }
}
