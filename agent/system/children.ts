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
 * timer scan the list, and the last 64 statuses that nobody asked for are kept.
 */
export function startReaper(): Reaper {
  const unclaimed = new Map<number, ExitStatus>()
  const waiting = new Map<number, (status: ExitStatus) => void>()
  const scan = () => {
    for (const status of reapOrphans()) {
      const claim = waiting.get(status.pid)
      waiting.delete(status.pid)
      if (claim !== undefined) claim(status)
      else unclaimed.set(status.pid, status)
    }
    for (const pid of [...unclaimed.keys()].slice(0, -statusesKept)) unclaimed.delete(pid)
  }
  process.on('SIGCHLD', scan)
  setInterval(scan, scanMs)
  return {
    exitOf: pid =>
      new Promise(resolve => {
        const known = unclaimed.get(pid)
        unclaimed.delete(pid)
        if (known !== undefined) resolve(known)
        else waiting.set(pid, resolve)
      }),
  }
}

function reapOrphans(): ExitStatus[] {
  const self = process.pid
  const pids = readFileSync(`/proc/${self}/task/${self}/children`, 'utf8').trim().split(' ')
  const foreign = pids.filter(text => text !== '' && !ofLibuv.has(Number(text)))
  return foreign.flatMap(text => {
    try {
      return reap(Number(text)) ?? []
    } catch (cause) {
      log(`reaper: ${String(cause)}`)
      return []
    }
  })
}
