import { type Command, operatorsAction } from '../../protocol/requests.ts'
import { HttpError } from '../../http/error.ts'
import type { SignedText } from '../../protocol/fields.ts'
import { evictNode, holdNode } from './cluster-acts.ts'
import { noteEndpoints } from './endpoints.ts'
import { takeSecretBack } from './escrow.ts'
import { leave } from './leave.ts'
import { appointOperators, showOperators } from './operators.ts'
import { takeOrder } from './orders.ts'
import { rekey } from './rekey.ts'
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

/** An order that was sent; whose it is, is still to be found out. */
type Ordered = Command & { readonly order: SignedText }

/** What needs a signature of the authority, an operator or the owner; the token alone has no say. */
const orderedActs: Readonly<
  Partial<Record<Command['action'], (node: Node, command: Ordered) => Promise<object>>>
> = {
  appoint: (node, { order }) => appointOperators(node, order),
  hold: (node, { order }) => holdNode(node, 'hold', order),
  release: (node, { order }) => holdNode(node, 'release', order),
  evict: (node, { order }) => evictNode(node, order),
  endpoints: (node, { order, endpoints }) => noteEndpoints(node, { order, endpoints }),
  escrow: (node, { order }) => takeSecretBack(node, order),
  rekey: (node, { order }) => rekey(node, order),
  leave: (node, { order, force }) => leave(node, { order, force }),
}

/** Carries out a command of POST /v1/agent/command, but `status`. Throws HttpError. */
export async function carryOut(node: Node, command: Command): Promise<object> {
  const { action, order } = command
  checkFields(command)
  if (action === 'reboot') {
    node.stop('restart')
    return { status: 'rebooting' }
  }
  if (action === operatorsAction) return showOperators(node)
  const ordered = orderedActs[action]
  if (ordered !== undefined) {
    if (order === undefined) throw unordered(action, 'sign with the wallet')
    return ordered(node, { ...command, order })
  }
  const act = serviceActs[action]
  if (act === undefined) throw unordered(action, 'this version does not carry it out')
  return act(node, { ...command, service: checkService(node, command.service) })
}

/** Which commands may have what beside action and service. */
const fields: Readonly<Record<Exclude<keyof Command, 'action' | 'service'>, readonly Command['action'][]>> = {
  mode: ['seccomp'],
  force: ['leave'],
  endpoints: ['endpoints'],
  order: ['seccomp', 'leave', 'appoint', 'hold', 'release', 'evict', 'escrow', 'endpoints', 'rekey'],
}

function checkFields(command: Command): void {
  for (const [name, actions] of Object.entries(fields))
    if (name in command && !actions.includes(command.action))
      throw new HttpError(400, `'${command.action}' takes no ${name}`, 'leave it out')
}

function unordered(action: string, hint: string): HttpError {
  const who = action === 'appoint' ? 'the authority of the cluster' : 'the owner or an operator'
  return new HttpError(403, `'${action}' needs an order signed by ${who}`, hint)
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
