import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Everything below a folder, sorted by path, folders before what is in them; links are named, never followed. */
export async function walk(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const found: Dirent[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    found.push(entry)
    if (entry.isDirectory()) found.push(...(await walk(join(folder, entry.name))))
  }
  return found
}
