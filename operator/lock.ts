import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { Failure } from './failure.ts'
import { privateFolder } from './files.ts'
import { waiting } from './waiting.ts'
import type { World } from './world.ts'

const pauseMs = 50
// Longer than it takes to type a passphrase.
const patienceMs = 120_000

/**
 * Does something while no other `orama` does what needs this lock. The lock is SQLite's, on a file without content:
 * the kernel frees it when its process dies, so that none is ever left behind. Throws Failure after two minutes.
 */
export async function withLock<T>(world: World, path: string, work: () => Promise<T>): Promise<T> {
  await privateFolder(dirname(path))
  await (await open(path, 'a', 0o600)).close()
  using database = new DatabaseSync(path, { timeout: 0 })
  await waiting(world, `Waiting for another orama to be done with ${path}`, () => take(database, path))
  return await work()
}

async function take(database: DatabaseSync, path: string): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!isTaken(database)) {
    if (performance.now() > endMs)
      throw new Failure('failed', `Cannot lock '${path}'`, { hint: 'Another orama holds it: end that one' })
    await pause(pauseMs)
  }
}

const busy = 5

function isTaken(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return false
    throw error
  }
}
