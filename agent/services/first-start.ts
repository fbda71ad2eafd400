import { existsSync } from 'node:fs'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder, syncTree } from '../system/sync.ts'
import { storeFolder } from '../unlock/record-store.ts'

/**
 * The data of services that were never ready. Programs cannot all go on where they were cut off while they set their
 * data up: rqlited that is killed while it bootstraps refuses to start for ever. Until a service is ready for the
 * first time nobody was told that it keeps anything, so after a start that failed it may begin anew.
 *
 * What is marked is what may go: a folder without a mark is never touched.
 */
export type FirstStarts = {
  /** The data folder of a service; a new one is marked before it is made. */
  readonly dataOf: (name: string) => Promise<string>
  /**
   * Takes the mark away: from now on its data is kept. It is put on the disk before: programs do not wait for all that
   * they set up (kubo's blocks/SHARDING), and after a power cut they refuse to start with an empty file.
   */
  readonly keepData: (name: string) => Promise<void>
  /** Empties the data folder if it is marked; whether it was. */
  readonly startOver: (name: string) => Promise<boolean>
}

/** `dataFolder`: the root of the data partition. */
export function firstStarts(dataFolder: string): FirstStarts {
  const marks = join(storeFolder(dataFolder), 'unready')
  const markOf = (name: string) => join(marks, name)
  const folderOf = (name: string) => join(dataFolder, 'data', name)
  return {
    dataOf: async name => {
      const folder = folderOf(name)
      if (!existsSync(folder)) await mark(marks, name)
      await mkdir(folder, { recursive: true })
      return folder
    },
    keepData: async name => {
      if (!existsSync(markOf(name))) return
      await syncTree(folderOf(name))
      await rm(markOf(name))
      await syncFolder(marks)
    },
    startOver: async name => {
      if (!existsSync(markOf(name))) return false
      const folder = folderOf(name)
      for (const entry of await readdir(folder)) await rm(join(folder, entry), { recursive: true })
      return true
    },
  }
}

/** On the disk before anything of the service is. */
async function mark(marks: string, name: string): Promise<void> {
  await mkdir(marks, { recursive: true, mode: 0o700 })
  await (await open(join(marks, name), 'w', 0o600)).close()
  await syncFolder(marks)
}
