import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type FloodGate, type FloodOptions, floodGate } from './flood.ts'
import { lineSplitter, newlines } from './lines.ts'

/** The log of one service: what it writes on standard output and error, a line each with the time it came. */
export type ServiceLog = AsyncDisposable & {
  /** Adds lines. Never throws: a full disk costs lines, not the service. */
  readonly write: (lines: readonly string[]) => Promise<void>
  /**
   * Reads a stream to its end; it is read no faster than the disk writes, so memory stays bounded. Of a flood, lines
   * are dropped and their number is written down.
   */
  readonly consume: (stream: AsyncIterable<Uint8Array>) => Promise<void>
  /** The newest lines, oldest first. */
  readonly tail: (count: number) => Promise<string[]>
  /**
   * The newest lines, and then all that come until the signal is aborted: none twice, and none lost in between. A
   * reader that is too slow loses the oldest.
   */
  readonly follow: (count: number, signal: AbortSignal) => AsyncGenerator<string, void>
}

export type LogOptions = {
  readonly bytesMax?: number
  /** How many files there are in all: service.log, service.log.1, … */
  readonly files?: number
  readonly nowMs?: () => number
  readonly flood?: FloodOptions
}

const followedMax = 1000
const blockBytes = 64 * 1024

/** Opens the log at `path`; the folder is made where it is missing. */
export function openServiceLog(path: string, options: LogOptions = {}): ServiceLog {
  const { nowMs = () => Date.now(), files = 4 } = options
  const file = rotatingFile(path, { bytesMax: options.bytesMax ?? 1024 * 1024, files })
  const followers = new Set<(line: string) => void>()
  // One for both streams of a service.
  const gate = floodGate(options.flood)
  const write = async (lines: readonly string[]) => {
    if (lines.length === 0) return
    const time = new Date(nowMs()).toISOString()
    const stamped = lines.map(line => `${time} ${line}`)
    await file.append(stamped, () => {
      for (const line of stamped) for (const follower of followers) follower(line)
    })
  }
  return {
    write,
    consume: stream => consume(stream, { write, gate }),
    tail: count => file.read(() => tail(path, { lines: count, files })),
    follow: (count, signal) => {
      const newest = async (thenFollow: () => void) => {
        const lines = await tail(path, { lines: count, files })
        thenFollow()
        return lines
      }
      return follow({ followers, signal, newest: thenFollow => file.read(() => newest(thenFollow)) })
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/**
 * The last lines of a rotated log, oldest first. Read from the end, block by block: the files are never loaded.
 * A file that is not there has no lines.
 */
export async function tail(
  path: string,
  { lines, files = 4 }: { readonly lines: number; readonly files?: number },
): Promise<string[]> {
  const found: string[] = []
  for (let index = 0; index < files && found.length < lines; index++)
    found.unshift(...(await tailOne(rotated(path, index), lines - found.length)))
  return found
}

async function tailOne(path: string, lines: number): Promise<string[]> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined || lines <= 0) return []
  try {
    const blocks: Buffer[] = []
    let ends = 0
    for (let end = (await file.stat()).size; end > 0 && ends <= lines;) {
      const start = Math.max(0, end - blockBytes)
      const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
      blocks.unshift(buffer)
      ends += newlines(buffer)
      end = start
    }
    const text = Buffer.concat(blocks).toString()
    return text.split('\n').slice(0, -1).slice(-lines)
  } finally {
    await file.close()
  }
}

type Consumer = {
  readonly write: (lines: readonly string[]) => Promise<void>
  readonly gate: FloodGate
}

async function consume(stream: AsyncIterable<Uint8Array>, { write, gate }: Consumer): Promise<void> {
  const splitter = lineSplitter()
  let dropped = 0
  const takeNote = () => {
    const note = dropped > 0 ? [`(${dropped} lines dropped: too many at once)`] : []
    dropped = 0
    return note
  }
  try {
    for await (const chunk of stream) {
      if (gate.admit(chunk.length)) {
        await write([...takeNote(), ...splitter.push(chunk)])
      } else {
        dropped += splitter.drop(chunk)
        await gate.pause()
      }
    }
  } catch (cause) {
    await write([`(the output ended with an error: ${String(cause)})`])
  }
  await write([...takeNote(), ...splitter.end()])
}

type Following = {
  readonly followers: Set<(line: string) => void>
  readonly signal: AbortSignal
  /** The lines written so far; calls back before the next can be. */
  readonly newest: (thenFollow: () => void) => Promise<string[]>
}

async function* follow({ followers, signal, newest }: Following): AsyncGenerator<string, void> {
  const queue: string[] = []
  let wake: () => void = () => undefined
  let lost = 0
  const follower = (line: string) => {
    queue.push(line)
    if (queue.length > followedMax) {
      queue.shift()
      lost++
    }
    wake()
  }
  const onAbort = () => {
    wake()
  }
  signal.addEventListener('abort', onAbort)
  try {
    yield* await newest(() => followers.add(follower))
    while (!signal.aborted) {
      if (lost > 0) yield `(${lost} lines lost: read too slowly)`
      lost = 0
      const line = queue.shift()
      if (line !== undefined) yield line
      else await new Promise<void>(resolve => (wake = resolve))
    }
  } finally {
    followers.delete(follower)
    signal.removeEventListener('abort', onAbort)
  }
}

type RotatingFile = {
  /** `then` is called when the lines are written, or lost. */
  readonly append: (lines: readonly string[], then: () => void) => Promise<void>
  /** Reads when all that was appended before is written, and nothing that is appended afterwards. */
  readonly read: <T>(task: () => Promise<T>) => Promise<T>
  readonly close: () => Promise<void>
}

type Limits = { readonly bytesMax: number; readonly files: number }

/** One writer at a time; after an error the file is opened anew, and the loss is written down once it can be. */
function rotatingFile(path: string, limits: Limits): RotatingFile {
  let file: { readonly handle: FileHandle; size: number } | undefined
  let lost = 0
  let last = Promise.resolve()

  const close = async () => {
    const closing = file
    file = undefined
    await closing?.handle.close().catch(() => undefined)
  }
  const writeText = async (text: string) => {
    file ??= await openEnd(path)
    const bytes = Buffer.from(text)
    if (file.size > 0 && file.size + bytes.length > limits.bytesMax) {
      await close()
      await rotate(path, limits.files)
      file = await openEnd(path)
    }
    await file.handle.appendFile(bytes)
    file.size += bytes.length
  }
  const append = async (lines: readonly string[]) => {
    const note = lost > 0 ? `(${lost} lines lost: could not be written)\n` : ''
    try {
      await writeText(`${note}${lines.join('\n')}\n`)
      lost = 0
    } catch {
      lost += lines.length
      await close()
    }
  }
  const queue = (task: () => Promise<void>) => (last = last.then(task))
  return {
    append: (lines, then) =>
      queue(async () => {
        await append(lines)
        then()
      }),
    read: task => {
      const reading = last.then(task)
      last = reading.then(
        () => undefined,
        () => undefined,
      )
      return reading
    },
    close: () => queue(close),
  }
}

async function openEnd(path: string): Promise<{ handle: FileHandle; size: number }> {
  await mkdir(dirname(path), { recursive: true })
  const handle = await open(path, 'a', 0o600)
  return { handle, size: (await handle.stat()).size }
}

async function rotate(path: string, files: number): Promise<void> {
  await rm(rotated(path, files - 1), { force: true })
  for (let index = files - 2; index >= 0; index--)
    await rename(rotated(path, index), rotated(path, index + 1)).catch(ignoreMissing)
}

function ignoreMissing(cause: unknown): void {
  if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause
}

function rotated(path: string, index: number): string {
  return index === 0 ? path : `${path}.${index}`
}
