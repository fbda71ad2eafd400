import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rmSync } from 'node:fs'
import { atExit } from './cleanup.ts'

export type WorkFolder = AsyncDisposable & { readonly path: string }

// struct sockaddr_un holds 108 bytes with the final zero, and the longest name of ours is below 20.
const pathBytesMax = 80

/** A new folder with a short path (UNIX sockets go into it), removed with its content at the end of its block. */
export async function workFolder(): Promise<WorkFolder> {
  const path = await mkdtemp(join(tmpdir(), 'orama-'))
  if (Buffer.byteLength(path) > pathBytesMax)
    throw new RangeError(`Cannot use '${path}': too long for UNIX sockets`)
  const release = atExit(() => {
    rmSync(path, { recursive: true, force: true })
  })
  const dispose = async () => {
    await rm(path, { recursive: true, force: true })
    release()
  }
  return { path, [Symbol.asyncDispose]: dispose }
}
