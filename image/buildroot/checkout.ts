import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { tool } from '../step.ts'
import { pin, waysOut } from './pin.ts'

/** A Buildroot that can be used. */
export type Checkout = {
  /** Absolute, without spaces. */
  readonly folder: string
  /** What is odd about it, for a person: it can be used all the same. */
  readonly warnings: readonly string[]
}

/**
 * Judges a folder that is said to hold Buildroot. Throws RangeError, naming the right version, for another one, for
 * a folder without it, and for a path that Buildroot cannot work in.
 */
export async function openCheckout(folder: string): Promise<Checkout> {
  checkPath(folder, 'Buildroot')
  const path = resolve(folder)
  const makefile = await readFile(join(path, 'Makefile'), 'utf8').catch(() => '')
  const version = versionOf(makefile)
  if (version === undefined)
    throw new RangeError(`Cannot use '${folder}': there is no Buildroot in it; use ${waysOut}`)
  if (version !== pin.version)
    throw new RangeError(
      `Cannot use '${folder}': it is Buildroot ${version}, need ${pin.version}: ${waysOut}`,
    )
  return { folder: path, warnings: await changes(path) }
}

/** Throws RangeError for a path with a character that Buildroot's makefiles take for something else. */
export function checkPath(path: string, what: string): void {
  const bad = /[\s@:$#%='"\\;&|<>*?()`!{}[\]]/.exec(path)?.[0]
  if (path === '') throw new RangeError(`Cannot use an empty path for ${what}`)
  if (bad !== undefined)
    throw new RangeError(
      `Cannot use the path '${path}' for ${what}: Buildroot cannot build where a path has ${/\s/.test(bad) ? 'spaces' : `'${bad}'`}`,
    )
}

/** The version that a Makefile of Buildroot's says, undefined where it is none. */
export function versionOf(makefile: string): string | undefined {
  return /^export BR2_VERSION := (\S+)$/m.exec(makefile)?.[1]
}

async function changes(folder: string): Promise<string[]> {
  const git = (...args: readonly string[]) =>
    tool('git', ['-c', 'safe.directory=*', '-C', folder, ...args], { log: 'buildroot-git' })
  const top = await git('rev-parse', '--show-toplevel').catch(() => '')
  if (top.trim() !== folder)
    return [`nobody can say whether '${folder}' is unchanged: it is no git checkout of its own`]
  const head = (await git('rev-parse', 'HEAD')).trim()
  const changed = (await git('status', '--porcelain', '--untracked-files=normal')).split('\n').filter(Boolean)
  return [
    ...(head === pin.commit ? [] : [`'${folder}' is at commit ${head}, tag ${pin.version} is ${pin.commit}`]),
    ...(changed.length === 0 ? [] : [`'${folder}' has local changes: ${shorten(changed)}`]),
  ]
}

function shorten(lines: readonly string[]): string {
  const names = lines.slice(0, 5).map(line => line.slice(3))
  return names.join(', ') + (lines.length > 5 ? ` and ${lines.length - 5} more` : '')
}
