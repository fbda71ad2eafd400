import * as z from 'zod'
import { ipv4, nodeId } from '../../protocol/fields.ts'
import type { Address } from '../../protocol/wallet.ts'
import { inNetwork } from '../../protocol/wireguard.ts'
import { HttpError } from '../../http/error.ts'
import type { Network } from './access.ts'

/** A member of the cluster, as it is listed. */
export type ClusterNode = {
  readonly nodeId: string
  /** In the WireGuard network. */
  readonly address: string
  readonly owner: Address
}

export type Cluster = {
  readonly network: Network
  /** Who is a member now. */
  readonly nodes: () => readonly ClusterNode[]
}

/** How a query names one node: each route adds its own. */
export const nodeQuery = { node_id: nodeId.optional(), wg_ip: ipv4.optional() }

export const nodeQuerySchema = z.strictObject(nodeQuery)

/**
 * The member that a query names. Refuses with 400 a query that names none or two, with 404 a stranger, and with 403 an
 * address outside of the cluster's network, also one that a member claims to have: nothing else may be called.
 */
export function chooseNode(cluster: Cluster, query: z.infer<typeof nodeQuerySchema>): ClusterNode {
  const { node_id: id, wg_ip: address } = query
  if ((id === undefined) === (address === undefined))
    throw new HttpError(400, 'which node?', 'give either node_id or wg_ip')
  if (address !== undefined) checkInside(cluster, address)
  const found = cluster.nodes().find(node => node.nodeId === id || node.address === address)
  if (found === undefined) throw new HttpError(404, 'no such node', 'GET /v1/node/list has all of them')
  checkInside(cluster, found.address)
  return found
}

function checkInside({ network }: Cluster, address: string): void {
  if (inNetwork(address, network)) return
  throw new HttpError(
    403,
    "this address is outside of the cluster's network",
    'nodes have no other addresses',
  )
}
