import { open, type FileHandle } from 'node:fs/promises'
import { run } from '../agent/system/run.ts'
import { makeRawCopy, type Disk } from './disk.ts'
import { openWriteLog, type WriteEntry, type WriteLog } from './write-log.ts'

/** A disk that is rebuilt write by write from what a guest did to it. */
export type Replay = AsyncDisposable & {
  readonly disk: Disk
  /** Entries in the log. */
  readonly count: number
  /** How many entries the disk has seen. */
  readonly position: () => number
  /**
   * Brings the disk to the state after the first `count` entries, which is what a power cut there leaves. Only
   * forward, so that all prefixes together cost no more than the whole log. Returns the last entry applied.
   */
  readonly advance: (count: number) => Promise<WriteEntry | undefined>
}

export type ReplaySource = {
  /** The disk as it was when the log began. */
  readonly base: Disk
  readonly logFile: string
  /** Where the raw disk is rebuilt. */
  readonly target: string
}

const chunkBytes = 1024 * 1024

/** Copies the base to a raw disk at entry 0 of the log. */
export async function openReplay({ base, logFile, target }: ReplaySource): Promise<Replay> {
  await using stack = new AsyncDisposableStack()
  const log = stack.use(await openWriteLog(logFile))
  const disk = await makeRawCopy(base, target)
  const file = stack.use(await open(disk.file, 'r+'))
  const entries = stack.adopt(log.entries(), async iterator => {
    await iterator.return()
  })
  let position = 0
  const advance = async (count: number) => {
    if (count < position || count > log.count)
      throw new RangeError(`Cannot go to write ${count} of ${log.count}`)
    let last: WriteEntry | undefined
    for (; position < count; position += 1) {
      last = (await entries.next()).value ?? undefined
      if (last !== undefined) await apply(last, { log, file, path: disk.file })
    }
    return last
  }
  const owned = stack.move()
  return {
    disk,
    count: log.count,
    position: () => position,
    advance,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type Target = { readonly log: WriteLog; readonly file: FileHandle; readonly path: string }

async function apply(entry: WriteEntry, { log, file, path }: Target): Promise<void> {
  if (entry.kind === 'discard') await punchHole(path, entry)
  if (entry.kind !== 'write') return
  const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, entry.bytes))
  for (let done = 0; done < entry.bytes; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, entry.bytes - done))
    await log.read(entry.dataAt + done, part)
    await file.write(part, 0, part.length, entry.offset + done)
  }
}

/** Node has no fallocate(2), and writing zeros would turn the discard of a whole partition into gigabytes. */
async function punchHole(path: string, { offset, bytes }: WriteEntry): Promise<void> {
  if (bytes === 0) return
  const range = ['--offset', String(offset), '--length', String(bytes)]
  await run('fallocate', ['--punch-hole', '--keep-size', ...range, path])
}
