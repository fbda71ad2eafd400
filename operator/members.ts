import * as z from 'zod'
import { membersMax } from '../protocol/cluster/membership.ts'
import { ipv4, nodeId } from '../protocol/fields.ts'
import { addressSchema } from '../protocol/wallet.ts'
import { optional } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { environmentOptions, findEnvironment } from './environments.ts'
import type { NamedEnvironment } from './environments.ts'
import { askGateway } from './gateway.ts'
import { loadNodes, nodesFolder, wireguardAddress } from './node-file.ts'
import { bearerOf, signedIn } from './sign-in.ts'
import { table } from './table.ts'
import { walletOptions } from './wallet.ts'
import type { World } from './world.ts'

const memberSchema = z.object({ nodeId, address: ipv4, owner: addressSchema })
const nodeListSchema = z.object({ nodes: z.array(memberSchema).max(membersMax) })
/** A node of a cluster, as a gateway lists it. */
export type ListedNode = z.infer<typeof memberSchema>

/** The members of a cluster. */
export async function askMembers(
  world: World,
  { environment, token }: { readonly environment: NamedEnvironment; readonly token: string },
): Promise<readonly ListedNode[]> {
  const question = { method: 'GET', path: '/v1/node/list', headers: bearerOf(token) } as const
  const { nodes } = await askGateway(world, environment, { ...question, answer: nodeListSchema })
  return nodes
}

export const nodeList: Command = {
  help: 'list the nodes of a cluster, or without --env those on file here',
  options: { ...environmentOptions, ...walletOptions },
  examples: ['orama node list', 'orama node list --env home --json'],
  run: (world, input) =>
    optional(input, 'env') === undefined ? listFiles(world, input) : listMembers(world, input),
}

async function listMembers(world: World, input: Input): Promise<Output> {
  const environment = await findEnvironment(world, input)
  const nodes = await signedIn({ world, input, environment }, token =>
    askMembers(world, { environment, token }),
  )
  const rows = nodes.map(node => [node.nodeId, node.address, node.owner])
  return { json: { nodes }, text: table(['node', 'address', 'owner'], rows) }
}

async function listFiles(world: World, input: Input): Promise<Output> {
  const nodes = (await loadNodes(nodesFolder(world, input))).map(node => ({
    nodeId: node.nodeId,
    nodeIp: node.nodeIp,
    address: wireguardAddress(node),
    owner: node.owner,
    cluster: node.cluster,
    enrolledAt: node.enrolled?.at,
  }))
  const rows = nodes.map(node => [
    node.nodeId,
    node.nodeIp,
    node.address ?? '-',
    node.cluster,
    node.enrolledAt ?? 'not yet',
  ])
  return { json: { nodes }, text: table(['node', 'public', 'address', 'cluster', 'enrolled'], rows) }
}
