import { constants } from 'node:fs'
import { link, lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { optional } from './command.ts'
import type { Input } from './command.ts'
import { Failure } from './failure.ts'
import type { World } from './world.ts'

/** The folder of wallet and nodes: --config, $XDG_CONFIG_HOME/orama or ~/.config/orama. */
export function configFolder(world: World, input: Input): string {
  const given = optional(input, 'config')
  if (given !== undefined) return given
  const { XDG_CONFIG_HOME: xdg, HOME: home } = world.env
  if (xdg !== undefined && xdg.startsWith('/')) return join(xdg, 'orama')
  if (home !== undefined && home !== '') return join(home, '.config', 'orama')
  throw new Failure('usage', 'Cannot find the configuration folder: HOME is not set', {
    hint: 'Give --config DIR',
  })
}

/** Makes a folder, with its parents, that only its owner can enter. */
export async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** Replaces a file at once and for good: after this returns, a power cut finds the new content. Mode 0600. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = await writeBeside(path, text)
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** Like `replaceFile`, but throws Failure when the file exists. */
export async function createFile(path: string, text: string): Promise<void> {
  const temporary = await writeBeside(path, text)
  try {
    // link(2) refuses an existing name, and what appears under the name is whole.
    await link(temporary, path)
  } catch (cause) {
    throw new Failure('failed', `Cannot create '${path}'`, {
      cause,
      hint: 'An existing file is never overwritten',
    })
  } finally {
    await rm(temporary, { force: true })
  }
  await syncFolder(dirname(path))
}

/** True when nothing has this name. */
export async function isAbsent(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) === undefined
}

/** Throws Failure when something has this name: to be asked before the user types anything. */
export async function refuseExisting(path: string): Promise<void> {
  if (!(await isAbsent(path)))
    throw new Failure('failed', `Cannot create '${path}': it exists`, {
      hint: 'An existing file is never overwritten',
    })
}

/** A small text file. Throws Failure with the hint when it does not exist. */
export async function readSmallFile(path: string, hint?: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > 1024 * 1024) throw new RangeError(`${size} bytes is too long`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new Failure('failed', `Cannot read '${path}'`, { cause, hint })
  }
}

async function writeBeside(path: string, text: string): Promise<string> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
  await using file = await open(temporary, flags, 0o600)
  await file.writeFile(text)
  await file.sync()
  return temporary
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY)
  await folder.sync()
}
