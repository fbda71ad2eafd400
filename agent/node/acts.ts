import type { Command } from '../../protocol/requests.ts'
import { HttpError } from '../../http/error.ts'
import { takeOrder } from './orders.ts'
import type { Node } from './serve.ts'
import type { Services } from './services.ts'

/** A command of which is known that its service exists. */
type Called = Command & { readonly service: string }
type Act = (node: Node, command: Called) => Promise<object>

/** What the bearer token may do with a service. */
const serviceActs: Readonly<Partial<Record<Command['action'], Act>>> = {
  restart: async (node, { service }) => {
    await servicesOf(node).supervisor.restart(service)
    return { status: 'restarted', service }
  },
  stop: async (node, { service }) => {
    await servicesOf(node).supervisor.stop(service)
    return { status: 'stopped', service }
  },
  start: (node, { service }) => {
    servicesOf(node).supervisor.start(service)
    return Promise.resolve({ status: 'started', service })
  },
  seccomp: switchSeccomp,
}

/** Carries out a command of POST /v1/agent/command, but `status`. Throws HttpError. */
export async function carryOut(node: Node, command: Command): Promise<object> {
  const { action } = command
  if (action !== 'seccomp' && (command.mode !== undefined || command.order !== undefined))
    throw new HttpError(400, `'${action}' takes neither mode nor order`, 'leave them out')
  if (action === 'reboot') {
    node.stop('restart')
    return { status: 'rebooting' }
  }
  const act = serviceActs[action]
  if (act === undefined)
    throw new HttpError(
      403,
      `'${action}' needs an order signed by the owner`,
      'this version does not carry it out',
    )
  return act(node, { ...command, service: checkService(node, command.service) })
}

/** Back to `enforce` may anybody with the token; `audit` opens what the filter closes. */
async function switchSeccomp(node: Node, { service, mode, order }: Called): Promise<object> {
  if (mode === undefined) throw new HttpError(400, 'which mode?', 'mode is enforce or audit')
  if (mode === 'audit') {
    if (order === undefined)
      throw new HttpError(
        403,
        "'seccomp' to audit needs an order signed by the owner",
        'sign with the wallet',
      )
    await takeOrder(node, order, { action: 'seccomp', arguments: { mode, service } })
  }
  await servicesOf(node).seccomp.set(service, mode)
  return { status: mode, service }
}

function checkService(node: Node, service: string | undefined): string {
  if (service === undefined) throw new HttpError(400, 'which service?', 'send {"action":…,"service":…}')
  const { manifests } = servicesOf(node)
  const manifest = manifests.find(one => one.name === service)
  const names = manifests.map(one => one.name)
  if (manifest === undefined) throw new HttpError(404, 'no such service', `there are: ${names.join(', ')}`)
  // Its data folder is not there yet.
  if (node.machine.dataOpen !== true && !manifest.early)
    throw new HttpError(409, `'${service}' waits for the disk`, `the node is ${stateOf(node)}`)
  return service
}

function servicesOf(node: Node): Services {
  // What is started now would be cut off with the disk under it.
  if (stateOf(node) === 'stopping')
    throw new HttpError(409, 'the node is stopping', 'ask again when it has started')
  if (node.services === undefined)
    throw new HttpError(409, 'no services run yet', `the node is ${stateOf(node)}`)
  return node.services
}

function stateOf(node: Node): string {
  return node.machine.state.current().name
}
