import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { walk } from './walk.ts'

/**
 * Where expensive results live, outside the checkout: `ORAMA_CACHE`, or `oramaos` in the user's cache folder.
 * Everything in it is named by a hash of what it was made from; a name that exists is complete, because it
 * came there by one rename.
 */
export function cacheRoot(): string {
  const own = process.env['ORAMA_CACHE']
  if (own !== undefined && own !== '') return own
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'oramaos')
}

export type CacheEntry = {
  /** The kind of thing: a folder of the cache. */
  readonly kind: string
  /** A hash over everything that the result depends on. */
  readonly key: string
  /** Makes the result in an empty folder that is not visible under its final name yet. */
  readonly make: (folder: string) => Promise<void>
}

/** The folder of a cached result, made first if it is not there. A failed or interrupted `make` leaves no name. */
export async function cached({ kind, key, make }: CacheEntry): Promise<string> {
  const final = join(cacheRoot(), kind, key)
  if (await exists(final)) {
    // The time of the last use, for `prune`.
    await utimes(final, new Date(), new Date()).catch(() => undefined)
    return final
  }
  await using partial = await partialFolder(kind)
  await make(partial.path)
  await mkdir(join(cacheRoot(), kind), { recursive: true })
  await rename(partial.path, final).catch(async (cause: unknown) => {
    // Another build may have been faster with the same content.
    if (!(await exists(final))) throw cause
  })
  return final
}

/** A new folder of the cache's own file system for what is not whole yet, gone at the end of its block. */
export async function partialFolder(what: string): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = join(cacheRoot(), 'partial', `${what}-${randomBytes(8).toString('hex')}`)
  await mkdir(path, { recursive: true })
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

const partialHoursMax = 24

/** Removes from `partial/` what killed builds left there: no step of a build takes a day. */
export async function cleanPartial(now = Date.now()): Promise<void> {
  const root = join(cacheRoot(), 'partial')
  for (const name of await readdir(root).catch(() => [])) {
    const path = join(root, name)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now }))
    if (now - mtimeMs > partialHoursMax * 3_600_000) await removeReadOnly(path)
  }
}

/** Go's modules are read-only, and an ordinary user can remove nothing from such a folder. */
async function removeReadOnly(folder: string): Promise<void> {
  for (const entry of await walk(folder).catch(() => []))
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o700).catch(() => undefined)
  await rm(folder, { recursive: true, force: true })
}

/** Removes what has not been used for longest, of a kind of which every change of a source file makes one more. */
export async function prune(kind: string, kept: number): Promise<void> {
  const folder = join(cacheRoot(), kind)
  const names = await readdir(folder).catch(() => [])
  const used = await Promise.all(
    names.map(async name => ({ name, at: (await stat(join(folder, name))).mtimeMs })),
  )
  for (const { name } of used.sort((a, b) => b.at - a.at).slice(kept)) {
    // Out of sight first: a name that exists is complete.
    const gone = join(cacheRoot(), 'partial', `pruned-${randomBytes(8).toString('hex')}`)
    await rename(join(folder, name), gone).catch(() => undefined)
    await rm(gone, { recursive: true, force: true })
  }
}

/** Whether a path can be seen. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** SHA-256 over named parts, as 64 hex characters: the same parts in the same order give the same key. */
export function hashOf(parts: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256')
  for (const [name, value] of Object.entries(parts))
    hash.update(`${name}\0${String(value.length)}\0${value}\0`)
  return hash.digest('hex')
}

/** SHA-256 of a file's content, as 64 hex characters. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path)) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** SHA-256 over all regular files below a folder, with their relative names. */
export async function hashFolder(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const files = (await walk(folder))
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
  for (const file of files) {
    const content = await readFile(file)
    hash.update(`${file.slice(folder.length)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}
