import type { Server } from 'node:http'
import type { NodeRecord } from '../../protocol/record.ts'
import { acknowledge, commitAccepted } from '../enroll/commit.ts'
import { deskRoutes } from '../enroll/desk.ts'
import type { Accepted } from '../enroll/judge.ts'
import { qrLines } from '../enroll/qr.ts'
import { endSession, newSession, type Session } from '../enroll/session.ts'
import { closeHttp, serveHttp } from '../http/server.ts'
import { readDataState } from '../disk/blank.ts'
import { bootTimeMs, reboot } from '../system/libc.ts'
import { announce, log, tolerate } from '../system/log.ts'
import { known, type Machine } from './machine.ts'
import { nodeVolume, nodeWorld } from './volume.ts'

const port = 9999
const renewCheckMs = 1000
const clockJumpMs = 30_000

/** Enrollment mode: waits for the owner on port 9999. Resolves once, when the node is enrolled and its data mounted. */
export async function waitForOwner(machine: Machine): Promise<NodeRecord> {
  const closed = whyClosed(machine)
  if (closed !== undefined) log(`enrollment: refused: ${closed}`)
  let session = await freshSession(machine)
  if (closed === undefined) showSession(machine, session)
  const renewal = setInterval(() => {
    if (!isOver(session) || machine.state.current().name !== 'blank') return
    const old = session
    void freshSession(machine).then(next => {
      session = next
      endSession(old)
      showSession(machine, session)
    }, tolerate('new enrollment code'))
  }, renewCheckMs)
  try {
    return await serveDesk(machine, closed, () => session)
  } finally {
    clearInterval(renewal)
    endSession(session)
  }
}

/** Its 15 minutes are over, or the clock was set since: then its hello names a time that is not meant. */
function isOver(session: Session): boolean {
  const leftMs = session.endsMs - bootTimeMs()
  const shownMs = Date.parse(session.hello.expires) - Date.now()
  return leftMs <= 0 || Math.abs(leftMs - shownMs) > clockJumpMs
}

function whyClosed(machine: Machine): string | undefined {
  const operator = known(machine, 'operator')
  if (operator.kind === 'invalid') return `the operator file EFI/orama/node.json is invalid: ${operator.why}`
  const data = known(machine, 'data')
  if (data.kind === 'foreign') return `the data partition is not blank: it holds ${data.found}`
  return undefined
}

function freshSession(machine: Machine): Promise<Session> {
  return newSession({ version: known(machine, 'image').version, nowMs: Date.now(), bootMs: bootTimeMs() })
}

/** What a person at the console needs. The first two lines are an interface that outside harnesses read. */
function showSession(machine: Machine, session: Session): void {
  const url = `http://${machine.address ?? '<no address yet>'}:${port}/`
  if (machine.address !== undefined) for (const line of qrLines(url)) announce(line)
  announce(`ENROLLMENT CODE: ${session.code}`)
  announce(`CLAIM WORD: ${session.claim}`)
  announce(`valid until ${session.hello.expires}; ${url}`)
}

async function serveDesk(
  machine: Machine,
  closed: string | undefined,
  session: () => Session,
): Promise<NodeRecord> {
  const operator = known(machine, 'operator')
  const enrolled = Promise.withResolvers<NodeRecord>()
  const server: Server = await serveHttp({
    address: '0.0.0.0',
    port,
    routes: deskRoutes({
      session,
      owner: operator.kind === 'file' ? operator.file.owner : undefined,
      closed,
      carryOut: async accepted => {
        const record = await enrollAs(machine, accepted, session())
        enrolled.resolve(record)
        return { box: accepted.sealReply(Buffer.from(JSON.stringify(acknowledge(record)))) }
      },
    }),
  })
  machine.state.become('blank', closed === undefined ? 'its owner' : 'an operator')
  const record = await enrolled.promise
  await closeHttp(server)
  return record
}

async function enrollAs(machine: Machine, accepted: Accepted, session: Session): Promise<NodeRecord> {
  machine.state.become('enrolling')
  log(`enrollment: by ${accepted.grant.owner} into cluster ${accepted.config.cluster}`)
  try {
    const on = { world: nodeWorld(), volume: nodeVolume(known(machine, 'disk')) }
    const record = await commitAccepted(on, accepted, session)
    announce(`OWNER: ${record.owner}`)
    return record
  } catch (cause) {
    await afterFailure(machine)
    throw cause
  }
}

/** An error in the very last write can still mean that the node is enrolled: then only a new boot knows. */
async function afterFailure(machine: Machine): Promise<void> {
  machine.data = await readDataState(known(machine, 'disk').data)
  if (machine.data.kind === 'enrolled') {
    log('enrollment: committed although it failed; starting again')
    reboot('restart')
  }
  machine.state.become('blank', 'its owner')
}
