import type { Server } from 'node:http'
import type { NodeRecord } from '../../protocol/record.ts'
import { acknowledge, commitAccepted } from '../enroll/commit.ts'
import { type Call, callGateway } from '../enroll/call.ts'
import { type Complete, completer, deskRoutes } from '../enroll/desk.ts'
import type { Accepted } from '../enroll/judge.ts'
import type { Session } from '../enroll/session.ts'
import { closeHttp, serveHttp } from '../../http/server.ts'
import { readDataState } from '../disk/blank.ts'
import { reboot } from '../system/libc.ts'
import { announce, log, tolerate } from '../system/log.ts'
import { known, type Machine } from './machine.ts'
import { keepSession } from './session.ts'
import { nodeVolume, nodeWorld } from './volume.ts'

const port = 9999

/**
 * Enrollment mode: waits for the owner on port 9999; `answering` is called when that answers. Resolves once, when the
 * node is enrolled and its data mounted.
 */
export async function waitForOwner(machine: Machine, answering: () => Promise<void>): Promise<NodeRecord> {
  await known(machine, 'firewallOpened')
  const closed = whyClosed(machine)
  if (closed !== undefined) return refuseOwner(machine, closed, answering)
  const keeper = await keepSession(machine, port)
  try {
    return await serveDesk(machine, keeper.current, answering)
  } finally {
    keeper.end()
  }
}

/** Answers on 9999 with the reason, for ever. */
async function refuseOwner(machine: Machine, closed: string, answering: () => Promise<void>): Promise<never> {
  log(`enrollment: refused: ${closed}`)
  const none = () => {
    throw new Error('Cannot enroll: the desk is closed')
  }
  await serveHttp({
    address: '0.0.0.0',
    port,
    report: tolerate('http'),
    routes: deskRoutes({ session: none, owner: undefined, closed, carryOut: none }),
  })
  machine.state.become('blank', `an operator: ${closed}`)
  await answering()
  return new Promise<never>(() => undefined)
}

function whyClosed(machine: Machine): string | undefined {
  const operator = known(machine, 'operator')
  if (operator.kind === 'invalid') return `the operator file EFI/orama/node.json is invalid: ${operator.why}`
  const data = known(machine, 'data')
  if (data.kind === 'foreign') return `the data partition is not blank: it holds ${data.found}`
  return undefined
}

async function serveDesk(
  machine: Machine,
  session: () => Session,
  answering: () => Promise<void>,
): Promise<NodeRecord> {
  const operator = known(machine, 'operator')
  const owner = operator.kind === 'file' ? operator.file.owner : undefined
  const enrolled = Promise.withResolvers<NodeRecord>()
  const carryOut = async (accepted: Accepted) => {
    const record = await enrollAs(machine, accepted)
    // Whatever becomes of the answer: from here on the node is enrolled, and tells its owner so over WireGuard.
    enrolled.resolve(record)
    const box = accepted.sealReply(Buffer.from(JSON.stringify(acknowledge(record))))
    return { box, member: accepted.member }
  }
  const desk = { session, owner, closed: undefined, carryOut }
  const complete = completer(desk)
  const routes = deskRoutes(desk, complete)
  const server: Server = await serveHttp({
    address: '0.0.0.0',
    port,
    report: tolerate('http'),
    routes,
  })
  machine.state.become('blank', 'its owner')
  const call = callOf(machine, { session, complete })
  await answering()
  const record = await enrolled.promise
  await Promise.all([closeHttp(server), call?.end()])
  return record
}

type Offer = { readonly session: () => Session; readonly complete: Complete }

/** For where nobody can call this node: it calls the gateway that its operator file names. */
function callOf(machine: Machine, { session, complete }: Offer): Call | undefined {
  const operator = known(machine, 'operator')
  if (operator.kind !== 'file' || operator.file.gateway === undefined) return undefined
  const { gateway } = operator.file
  return callGateway({ gateway, hello: () => session().hello, complete, log, random: Math.random })
}

async function enrollAs(machine: Machine, accepted: Accepted): Promise<NodeRecord> {
  machine.state.become('enrolling')
  log(`enrollment: by ${accepted.grant.owner} into cluster ${accepted.config.cluster}`)
  try {
    const on = { world: nodeWorld(), volume: nodeVolume(known(machine, 'disk')) }
    const record = await commitAccepted(on, accepted)
    machine.data = { kind: 'enrolled' }
    machine.dataOpen = true
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
