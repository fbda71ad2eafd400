import { closeSync, openSync, writeSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'

export type WaitOptions = {
  /** Where in the transcript to look from: the current boot (the default), all of it, or a position. */
  readonly since?: 'boot' | 'start' | number
}

export type Match = {
  readonly text: string
  /** Groups of the pattern, group 1 first. */
  readonly groups: readonly string[]
  /** Position behind the match, for the `since` of the next wait. */
  readonly end: number
}

/** What a machine printed, as text without escape sequences and carriage returns. */
export type Console = {
  /** The number of the current boot; the first is 1. */
  readonly boots: () => number
  readonly text: () => string
  readonly lastLines: (count: number) => string
  /**
   * Waits for a text; rejects at the deadline, or at once when the machine has ended without it. What a regular
   * expression matches at the very end of the transcript may be half a word: it counts once more has come, or
   * if it ends with a newline.
   */
  readonly waitFor: (pattern: RegExp | string, deadlineMs: number, options?: WaitOptions) => Promise<Match>
  /** Waits until boot `number` has begun. */
  readonly waitForBoot: (number: number, deadlineMs: number) => Promise<void>
  readonly feed: (bytes: Uint8Array) => void
  /** A reset: what follows belongs to the next boot. */
  readonly nextBoot: (reason: string) => void
  /** The machine has ended: every wait that is still open is rejected. */
  readonly end: (reason: string) => void
}

type Wait = { readonly what: string; readonly check: () => boolean; readonly fail: (why: string) => void }
type Transcript = { text: string; carry: string; boots: number; bootAt: number; ended: string | undefined }

const linesInErrors = 25

/** A console whose raw bytes are appended to a file as they come. */
export function openConsole(file: string): Console {
  const fd = openSync(file, 'a')
  const decoder = new StringDecoder('utf8')
  const state: Transcript = { text: '', carry: '', boots: 1, bootAt: 0, ended: undefined }
  const waits = new Set<Wait>()
  const settle = () => {
    for (const wait of waits) if (wait.check()) waits.delete(wait)
  }
  const append = (raw: string) => {
    const { plain, carry } = plainText(state.carry + raw)
    state.text += plain
    state.carry = carry
  }
  return {
    boots: () => state.boots,
    text: () => state.text,
    lastLines: count => lastLines(state.text, count),
    waitFor: (pattern, deadlineMs, { since = 'boot' } = {}) => {
      const from = since === 'boot' ? state.bootAt : since === 'start' ? 0 : since
      return wait({
        state,
        waits,
        deadlineMs,
        what: String(pattern),
        find: () => find(state.text, pattern, from),
      })
    },
    waitForBoot: async (number, deadlineMs) => {
      const find = () => (state.boots >= number ? true : undefined)
      await wait({ state, waits, deadlineMs, what: `boot ${number} (it is in boot ${state.boots})`, find })
    },
    feed: bytes => {
      if (state.ended !== undefined) return
      writeSync(fd, bytes)
      append(decoder.write(Buffer.from(bytes)))
      settle()
    },
    nextBoot: reason => {
      if (state.ended !== undefined) return
      state.boots += 1
      const line = `\n--- boot ${state.boots}: ${reason} ---\n`
      writeSync(fd, line)
      append(line)
      state.bootAt = state.text.length
      settle()
    },
    end: reason => {
      if (state.ended !== undefined) return
      state.ended = reason
      writeSync(fd, `\n--- end: ${reason} ---\n`)
      closeSync(fd)
      for (const { fail } of waits) fail(reason)
      waits.clear()
    },
  }
}

type Waiting<T> = {
  readonly state: Transcript
  readonly waits: Set<Wait>
  readonly deadlineMs: number
  readonly what: string
  readonly find: () => T | undefined
}

function wait<T>({ state, waits, deadlineMs, what, find }: Waiting<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const fail = (why: string) => {
    clearTimeout(timer)
    reject(
      new Error(
        `Console: ${why} before ${what}; the last lines were:\n${lastLines(state.text, linesInErrors)}`,
      ),
    )
  }
  const check = () => {
    const found = find()
    if (found === undefined) return false
    clearTimeout(timer)
    resolve(found)
    return true
  }
  const entry: Wait = { what, check, fail }
  const timer = setTimeout(() => {
    waits.delete(entry)
    fail(`${deadlineMs} ms passed`)
  }, deadlineMs)
  if (check()) return promise
  if (state.ended === undefined) waits.add(entry)
  else fail(state.ended)
  return promise
}

function find(text: string, pattern: RegExp | string, from: number): Match | undefined {
  const part = text.slice(from)
  if (typeof pattern === 'string') {
    const at = part.indexOf(pattern)
    return at < 0 ? undefined : { text: pattern, groups: [], end: from + at + pattern.length }
  }
  // A global or sticky pattern would go on where its last match ended.
  const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(part)
  if (match === null) return undefined
  const [whole, ...groups] = match
  if (match.index + whole.length === part.length && !whole.endsWith('\n')) return undefined
  return { text: whole, groups: groups.map(orEmpty), end: from + match.index + whole.length }
}

/** A group that did not take part in a match is undefined, whatever its type says. */
function orEmpty(group: string | undefined): string {
  return group ?? ''
}

// ECMA-48 control sequences and the two-character escapes that firmware and systemd-boot use.
const escapes = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()#%][0-9A-Za-z]|\x1b[=>78DEHMNOZc]|[\r\0]/g
// A sequence that a later chunk will complete.
const unfinished = /\x1b(\[[0-?]*[ -/]*|[()#%])?$/

function plainText(raw: string): { plain: string; carry: string } {
  const carry = unfinished.exec(raw)?.[0] ?? ''
  return { plain: raw.slice(0, raw.length - carry.length).replace(escapes, ''), carry }
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}
