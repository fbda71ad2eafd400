import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type ExitStatus, reap } from './libc.ts'
import { log } from './log.ts'

/**
 * PID 1 inherits every orphan and must wait for it. libuv waits for the children that Node started and only for
 * those; the reaper waits for all others, and never for libuv's.
 */
const ofLibuv = new Set<number>()

/** Tells the reaper that libuv waits for this child. Call it in the tick of the spawn. */
export function ownChild(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined) return
  ofLibuv.add(pid)
  child.once('exit', () => ofLibuv.delete(pid))
}

const statusesKept = 64
const scanMs = 1000

export type Reaper = {
  /** How a child of PID 1 that libuv does not know ended: now, later, or up to 64 ends ago. */
  readonly exitOf: (pid: number) => Promise<ExitStatus>
}

/**
 * Starts it. Signals coalesce and children can die before anybody knows their number: so each SIGCHLD *and* a
 * timer scan the list.
 */
export function startReaper(): Reaper {
  const { scan, exitOf } = createReaper({ children: foreignChildren, reap })
  process.on('SIGCHLD', scan)
  setInterval(scan, scanMs)
  return { exitOf }
}

export type ReaperWorld = {
  /** The children of PID 1, alive or dead, that libuv does not know. */
  readonly children: () => readonly number[]
  /** As `reap` of libc.ts. */
  readonly reap: (pid: number) => ExitStatus | undefined
}

/** A reaper that looks when `scan` is called. The last 64 statuses are kept, for who asks late or once more. */
export function createReaper(world: ReaperWorld): Reaper & { readonly scan: () => void } {
  const ended = new Map<number, ExitStatus>()
  const waiting = new Map<number, PromiseWithResolvers<ExitStatus>>()
  const scan = () => {
    for (const status of world.children().flatMap(pid => tryReap(world, pid))) {
      waiting.get(status.pid)?.resolve(status)
      waiting.delete(status.pid)
      // Deleted first: so that it is the newest.
      ended.delete(status.pid)
      ended.set(status.pid, status)
    }
    for (const pid of [...ended.keys()].slice(0, -statusesKept)) ended.delete(pid)
  }
  const wait = (pid: number) => {
    const asked = waiting.get(pid) ?? Promise.withResolvers<ExitStatus>()
    waiting.set(pid, asked)
    return asked.promise
  }
  return {
    scan,
    exitOf: async pid => {
      const known = ended.get(pid)
      // Numbers come again: a status kept is of another process where a child of this number is still there.
      return known === undefined || world.children().includes(pid) ? wait(pid) : known
    },
  }
}

function foreignChildren(): readonly number[] {
  const self = process.pid
  const text = readFileSync(`/proc/${self}/task/${self}/children`, 'utf8').trim()
  return text === ''
    ? []
    : text
        .split(' ')
        .map(Number)
        .filter(pid => !ofLibuv.has(pid))
}

function tryReap(world: ReaperWorld, pid: number): ExitStatus[] {
  try {
    const status = world.reap(pid)
    return status === undefined ? [] : [status]
  } catch (cause) {
    log(`reaper: ${String(cause)}`)
    return []
  }
}
