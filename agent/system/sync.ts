import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Puts the names in a folder on the disk, as fsync(2) of a file does with its content. */
export function syncFolder(folder: string): Promise<void> {
  return sync(folder, constants.O_DIRECTORY)
}

/**
 * Puts everything in a folder on the disk: the files first, then the names of them. What others remove meanwhile is
 * passed over; links are not followed.
 */
export async function syncTree(folder: string): Promise<void> {
  const entries = await unlessGone(readdir(folder, { withFileTypes: true }))
  for (const entry of entries ?? []) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await syncTree(path)
    else if (entry.isFile()) await unlessGone(sync(path, constants.O_NONBLOCK))
  }
  await unlessGone(syncFolder(folder))
}

/** A FIFO that took the place of a file does not block, a link is refused: the folder may be another's. */
async function sync(path: string, flags: number): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | flags)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function unlessGone<T>(did: Promise<T>): Promise<T | undefined> {
  try {
    return await did
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
