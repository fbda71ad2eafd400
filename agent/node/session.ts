import { qrLines } from '../enroll/qr.ts'
import { endSession, newSession, type Session } from '../enroll/session.ts'
import { bootTimeMs } from '../system/libc.ts'
import { addLogSink, announce, tolerate } from '../system/log.ts'
import { known, type Machine } from './machine.ts'

const lookMs = 1000
const clockJumpMs = 30_000
/** So many lines of log push what a person has to read off a screen. */
const screenLines = 15

export type SessionKeeper = {
  readonly current: () => Session
  /** Ends the renewal and wipes the keys. */
  readonly end: () => void
}

/** Calls back again and again; what it returns ends that. */
export type Every = (ms: number, call: () => void) => () => void

/**
 * Holds the session of a blank node: renews it when it is over, and shows it again when the log has hidden it or the
 * node's address is another one.
 */
export async function keepSession(
  machine: Machine,
  port: number,
  every: Every = everyInterval,
): Promise<SessionKeeper> {
  let session = await firstSession(machine)
  let hiding = 0
  let shownAddress: string | undefined
  let renewing = false
  const show = () => {
    showSession(machine, session, port)
    hiding = 0
    shownAddress = machine.address
  }
  const removeSink = addLogSink(() => (hiding += 1))
  const renew = async () => {
    const next = await freshSession(machine)
    // An enrollment may have begun meanwhile; it needs the keys of its session.
    if (!isWaiting(machine)) {
      endSession(next)
      return
    }
    const old = session
    session = next
    endSession(old)
    show()
  }
  const stopLooking = every(lookMs, () => {
    if (!isWaiting(machine) || renewing) return
    if (!isOver(session)) {
      if (hiding >= screenLines || shownAddress !== machine.address) show()
      return
    }
    renewing = true
    void renew()
      .catch(tolerate('new enrollment code'))
      .finally(() => (renewing = false))
  })
  show()
  const end = () => {
    stopLooking()
    removeSink()
    endSession(session)
  }
  return { current: () => session, end }
}

function everyInterval(ms: number, call: () => void): () => void {
  const timer = setInterval(call, ms)
  return () => {
    clearInterval(timer)
  }
}

function isWaiting(machine: Machine): boolean {
  return machine.state.current().name === 'blank'
}

/** Its 15 minutes are over, or the clock was set since: then its hello names a time that is not meant. */
function isOver(session: Session): boolean {
  const leftMs = session.endsMs - bootTimeMs()
  const shownMs = Date.parse(session.hello.expires) - Date.now()
  return leftMs <= 0 || Math.abs(leftMs - shownMs) > clockJumpMs
}

/** Begins to make the keys and the code of a blank node: that takes a while of computing. */
export function beginSession(machine: Machine): void {
  if (known(machine, 'data').kind !== 'blank') return
  // As if it were older: then it names no time too late, also when the clock is set back by as much.
  const first = freshSession(machine, clockJumpMs)
  machine.firstSession = first.catch(() => undefined)
}

async function firstSession(machine: Machine): Promise<Session> {
  const first = await machine.firstSession
  if (first === undefined) return freshSession(machine)
  if (!isOver(first)) return first
  endSession(first)
  return freshSession(machine)
}

function freshSession(machine: Machine, ageMs = 0): Promise<Session> {
  const { version } = known(machine, 'image')
  return newSession({ version, nowMs: Date.now() - ageMs, bootMs: bootTimeMs() - ageMs })
}

/** What a person at the console needs. Code and claim word are lines that outside harnesses read. */
function showSession(machine: Machine, session: Session, port: number): void {
  const url = `http://${machine.address ?? '<no address yet>'}:${port}/`
  if (machine.address !== undefined) for (const line of qrLines(url)) announce(line)
  announce(`ENROLLMENT CODE: ${session.code}`)
  announce(`CLAIM WORD: ${session.claim}`)
  announce(`valid until ${session.hello.expires}; ${url}`)
}
