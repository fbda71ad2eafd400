import type { EnrolledNode, NodeFile } from './node-file.ts'
import { agentUrl, bearer } from './agent.ts'
import type { Asked } from './agent.ts'
import { optional } from './command.ts'
import type { Input, Options } from './command.ts'
import { findEnvironment } from './environments.ts'
import type { NamedEnvironment } from './environments.ts'
import { Failure } from './failure.ts'
import { identityOf } from './gateway.ts'
import type { HttpRequest } from './http.ts'
import { findEnrolled, findNodes, isGenesis, loadNodes, nodeOptions, nodesFolder } from './node-file.ts'
import { bearerOf, signedIn } from './sign-in.ts'
import { walletOptions } from './wallet.ts'
import type { World } from './world.ts'

/** Options of commands that ask a node, one way or the other. */
export const reachOptions: Options = {
  ...nodeOptions,
  env: { help: 'ask through a gateway of this environment, not over WireGuard', value: 'NAME' },
  ...walletOptions,
}

export type Way = Pick<HttpRequest, 'url' | 'headers' | 'tls'> & { readonly who: Asked }

/** A node that can be asked: over WireGuard with the token of its file, or by a gateway with the operator's. */
export type Reached = {
  /** Its id, or its address where that is all that was said. */
  readonly name: string
  /** What this machine knows of it. */
  readonly node: NodeFile | undefined
  /** Where a question goes, and what it needs; the routes of agent and gateway have the same last names. */
  readonly way: (
    route: 'status' | 'logs' | 'command' | 'leave' | 'unlock',
    query?: Readonly<Record<string, string>>,
  ) => Way
  readonly by: 'wireguard' | 'gateway'
}

/** Does something with the node that the command line means: by the gateway of --env, else over WireGuard. */
export function withNode<T>(world: World, input: Input, use: (reached: Reached) => Promise<T>): Promise<T> {
  const visit: Visit<T> = (environment, ask) => signedIn({ world, input, environment }, ask)
  return reach(world, input, { use, visit })
}

/** The same where the node itself judges an order of its owner: a gateway passes that on without asking who it is. */
export function withNodeAsOwner<T>(
  world: World,
  input: Input,
  use: (reached: Reached) => Promise<T>,
): Promise<T> {
  return reach(world, input, { use, visit: (_, ask) => ask(undefined) })
}

/** Asks at a gateway, with a token or without. */
type Visit<T> = (environment: NamedEnvironment, ask: (token: string | undefined) => Promise<T>) => Promise<T>

type Errand<T> = { readonly use: (reached: Reached) => Promise<T>; readonly visit: Visit<T> }

async function reach<T>(world: World, input: Input, { use, visit }: Errand<T>): Promise<T> {
  if (optional(input, 'env') === undefined) return withMember(await findEnrolled(world, input), use)
  const environment = await findEnvironment(world, input)
  const named = await nameNode(world, input, environment)
  return visit(environment, token => use(byGateway(environment, token, named)))
}

/** Does something with a node over WireGuard, with the token of its file. */
export function withMember<T>(node: EnrolledNode, use: (reached: Reached) => Promise<T>): Promise<T> {
  const reached = overWireguard(node)
  return use(reached).catch((error: unknown) => {
    throw explainWay(error, reached)
  })
}

/** What helps where a node does not answer over WireGuard: a joined one has no peer of its owner's. */
function explainWay(error: unknown, { name, node }: Reached): unknown {
  if (!(error instanceof Failure) || error.exit !== 'unreachable' || error.hint !== undefined) return error
  if (node === undefined) return error
  const hint = isGenesis(node)
    ? `Bring WireGuard up: orama node wg-config --node-ip ${node.nodeIp}; or give --env NAME, where a gateway reaches it`
    : `Give --env ${node.environment}: the gateways of its cluster reach it`
  return new Failure('unreachable', `Cannot reach node ${name} over WireGuard`, { cause: error, hint })
}

/** A node of which this machine has the agent token. */
function overWireguard(node: EnrolledNode): Reached {
  return {
    name: node.nodeId,
    node,
    by: 'wireguard',
    way: (route, query = {}) => ({
      url: `${agentUrl(node, route)}${queryText(query)}`,
      headers: bearer(node),
      who: 'node',
    }),
  }
}

/** As a query names it at a gateway. */
export type Named = { readonly query: Readonly<Record<string, string>>; readonly node?: NodeFile | undefined }

export function byGateway(
  environment: NamedEnvironment,
  token: string | undefined,
  { query: name, node }: Named,
): Reached {
  return {
    name: node?.nodeId ?? Object.values(name).join(),
    node,
    by: 'gateway',
    way: (route, query = {}) => ({
      url: `${environment.gateway}/v1/node/${route}${queryText({ ...name, ...query })}`,
      ...(token === undefined ? {} : { headers: bearerOf(token) }),
      tls: identityOf(environment),
      who: 'node or its gateway',
    }),
  }
}

function queryText(query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString()
  return text === '' ? '' : `?${text}`
}

/** By --node, by --node-ip, or the only one of the cluster that is on file. */
async function nameNode(world: World, input: Input, { cluster, name }: NamedEnvironment): Promise<Named> {
  const [id, ip] = [optional(input, 'node'), optional(input, 'node-ip')]
  if (id !== undefined) {
    const node = (await loadNodes(nodesFolder(world, input))).find(one => one.nodeId === id)
    return { query: { node_id: id }, node }
  }
  const [node, ...others] = (await findNodes(world, input)).filter(
    one => one.cluster === cluster && one.enrolled !== undefined,
  )
  if (node !== undefined && others.length === 0) return { query: { node_id: node.nodeId }, node }
  if (ip !== undefined) return { query: { wg_ip: ip } }
  throw new Failure('usage', 'Cannot choose the node', {
    hint: `Give --node ID: 'orama node list --env ${name}' shows them`,
  })
}
