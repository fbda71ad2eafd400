import { describe } from '../system/log.ts'
import type { Netlink } from '../system/netlink.ts'
import { encodeGet, encodeSet, parseMessage, type AuditSettings, type DeniedCall } from './audit-messages.ts'
import { syscallName } from './syscall-names.ts'

/** What the audit reader needs of the world. */
export type AuditWorld = {
  /** Throws where the kernel has no audit, or not for us. */
  readonly open: () => Netlink
  readonly pid: number
  /** Calls back again and again until the signal is aborted. */
  readonly every: (ms: number, task: () => void, signal: AbortSignal) => void
  /** A clock that nobody sets. */
  readonly nowMs: () => number
  readonly log: (line: string) => void
}

/** Denied calls by name: at most 64 names, and the rest in the sum 'other'. */
export type Denied = Readonly<Record<string, number>>

export type Audit = {
  /** Whether denied calls reach us; filters work either way. */
  readonly state: () => 'on' | 'unavailable'
  /** Since the agent started, of the service with this UID. */
  readonly deniedBy: (uid: number) => Denied
  /** How many records the kernel threw away since it started: of which service is not known. */
  readonly lost: () => number
}

/** NETLINK_AUDIT. */
export const auditProtocol = 9
/** Room for some 3,500 records beside the kernel's own queue; it is taken only while there are so many. */
export const receiveBufferBytes = 4 * 1024 * 1024

const lookMs = 100
/** So that a flood of records leaves the event loop its turns, on slow machines too. */
const messagesPerLookMax = 1_000
const lookMsMax = 20
const looksPerStatus = 20
const namesMax = 64

/**
 * No waiting: a full queue costs records, which the kernel counts, and not the time of the service. Failures are
 * silent. Not `enabled`: filters are noted without, and with it each system call of every process would be slower
 * and each denied call would be five records.
 */
const quiet: AuditSettings = {
  enabled: 0,
  failure: 0,
  rateLimit: 0,
  backlogLimit: 8192,
  backlogWaitTime: 0,
}

/**
 * Makes the agent the audit daemon of its kernel and counts the denied calls of these users. Never throws:
 * without audit the services run all the same, and the state says so.
 */
export function startAudit(world: AuditWorld, uids: readonly number[], signal: AbortSignal): Audit {
  const counts = new Map(uids.map(uid => [uid, new Map<string, number>()]))
  const reader = { on: false, lost: 0 }
  const audit: Audit = {
    state: () => (reader.on ? 'on' : 'unavailable'),
    deniedBy: uid => bounded(counts.get(uid) ?? new Map()),
    lost: () => reader.lost,
  }
  try {
    const socket = register(world)
    reader.on = true
    follow(world, {
      socket,
      signal,
      reader,
      count: call => {
        add(counts, call)
      },
    })
  } catch (cause) {
    world.log(`audit: unavailable: ${describe(cause)}`)
  }
  return audit
}

/** The socket, once the kernel has accepted us. */
function register(world: AuditWorld): Netlink {
  const socket = world.open()
  try {
    // Two messages: the kernel acknowledges the second part of its work before it has done it.
    for (const [sequence, values] of [quiet, { pid: world.pid }].entries()) {
      socket.send(encodeSet(values, sequence + 1))
      checkAcknowledged(socket, sequence + 1)
    }
  } catch (cause) {
    socket.close()
    throw cause
  }
  return socket
}

/** The kernel has answered when `send` returns. */
function checkAcknowledged(socket: Netlink, sequence: number): void {
  for (let bytes = socket.receive(); bytes !== undefined; bytes = socket.receive()) {
    const message = parseMessage(bytes)
    if (message.kind !== 'acknowledgement' || message.sequence !== sequence) continue
    if (message.errno === 0) return
    throw new Error(`Cannot set up audit: errno ${message.errno}`)
  }
  throw new Error('Cannot set up audit: no answer')
}

type Reading = {
  readonly socket: Netlink
  readonly signal: AbortSignal
  readonly reader: { on: boolean; lost: number }
  readonly count: (call: DeniedCall) => void
}

function follow(world: AuditWorld, { socket, signal, reader, count }: Reading): void {
  let looks = 0
  const look = () => {
    if (!reader.on) return
    try {
      drain(world, { socket, reader, count })
      if (looks++ % looksPerStatus === 0) socket.send(encodeGet(looks))
    } catch (cause) {
      reader.on = false
      socket.close()
      world.log(`audit: given up: ${describe(cause)}`)
    }
  }
  world.every(lookMs, look, signal)
}

function drain(world: AuditWorld, { socket, reader, count }: Omit<Reading, 'signal'>): void {
  const endMs = world.nowMs() + lookMsMax
  for (let left = messagesPerLookMax; left > 0 && world.nowMs() < endMs; left--) {
    const bytes = socket.receive()
    if (bytes === undefined) return
    const message = parseMessage(bytes)
    if (message.kind === 'denied') count(message.call)
    if (message.kind === 'status') reader.lost = message.lost
  }
}

function add(counts: ReadonlyMap<number, Map<string, number>>, { uid, arch, syscall }: DeniedCall): void {
  const names = counts.get(uid)
  const name = syscallName(arch, syscall)
  names?.set(name, (names.get(name) ?? 0) + 1)
}

/** The most frequent first. */
function bounded(names: ReadonlyMap<string, number>): Denied {
  const sorted = [...names].sort(([, a], [, b]) => b - a)
  const shown = new Map(sorted.slice(0, namesMax))
  for (const [, count] of sorted.slice(namesMax)) shown.set('other', (shown.get('other') ?? 0) + count)
  return Object.fromEntries(shown)
}
