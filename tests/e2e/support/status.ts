import { ProgramError } from '../../../agent/system/run.ts'
import { type ServiceStatus, type Status, statusSchema } from '../../../protocol/status.ts'
import { bootMs, type Site } from './node.ts'
import { poll } from './poll.ts'
import { nodeFile } from './wallet-file.ts'

/** What the enrolled node says of itself to who has its token. */
export async function readStatus(site: Site): Promise<Status> {
  const { enrolled } = await nodeFile(site)
  const flags = ['-sf', '-m', '30', '-K', '-', 'http://10.0.0.1:9998/v1/agent/status']
  const text = await site.network.exec('curl', flags, {
    input: `header = "Authorization: Bearer ${enrolled?.agentToken ?? ''}"\n`,
  })
  return statusSchema.parse(JSON.parse(text))
}

/** Waits until a service is ready, however slow the machine. */
export function untilReady(site: Site, name: string, deadlineMs = bootMs): Promise<ServiceStatus> {
  return untilStatus(site, { name, wanted: ({ state }) => state === 'ready', deadlineMs })
}

/** Asks for a service's status until it is as wanted. Throws, with the last answer, when that takes too long. */
export function untilService(
  site: Site,
  name: string,
  wanted: (service: ServiceStatus) => boolean,
): Promise<ServiceStatus> {
  return untilStatus(site, { name, wanted, deadlineMs: bootMs })
}

type Wanted = {
  readonly name: string
  readonly wanted: (service: ServiceStatus) => boolean
  readonly deadlineMs: number
}

async function untilStatus(site: Site, { name, wanted, deadlineMs }: Wanted): Promise<ServiceStatus> {
  const ask = () => readStatus(site).then(({ services }) => services[name], notListening)
  const isWanted = (service: ServiceStatus | undefined) => service !== undefined && wanted(service)
  const found = await poll({ ask, wanted: isWanted, what: name, deadlineMs })
  if (found === undefined) throw new Error(`Cannot find '${name}' in the status`)
  return found
}

/** What curl ends with where nobody listens: a node that has just been enrolled is not there yet. */
const refusedStatus = 7

function notListening(cause: unknown): undefined {
  if (!(cause instanceof ProgramError) || cause.status !== refusedStatus) throw cause
}

/** Of all services but one: state, process, and how often it was started again. */
export function lives({ services }: Status, except: string): unknown[] {
  return Object.entries(services)
    .filter(([name]) => name !== except)
    .map(([name, { state, pid, restarts }]) => [name, state, pid, restarts])
}
