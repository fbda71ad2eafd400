import { open } from 'node:fs/promises'

/** Puts the names in a folder on the disk, as fsync(2) of a file does with its content. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
