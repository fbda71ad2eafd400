import type { NodeRecord } from '../record.ts'
import { inNetwork, type Peer } from '../wireguard.ts'
import type { EndpointRecord } from './endpoint.ts'
import { type Membership, present } from './membership.ts'

export type PeersOf = Pick<NodeRecord, 'nodeId' | 'wireguard'> & {
  readonly membership: Membership
  /** Of several of one node the last counts. */
  readonly endpoints: readonly Pick<EndpointRecord, 'node' | 'endpoint'>[]
}

/**
 * WireGuard's peers of a node: its operators', whom the owner named when it was enrolled, and all other members. A
 * member whose address is an operator's or outside the network gets none. A node that is no member any more has its
 * operators alone: nobody else answers it.
 */
export function peersOf({ nodeId, wireguard, membership, endpoints }: PeersOf): readonly Peer[] {
  if (membership.departures.has(nodeId)) return wireguard.peers
  const taken = new Set([wireguard.address, ...wireguard.peers.map(peer => peer.address)])
  const last = new Map(endpoints.map(one => [one.node, one.endpoint]))
  const members = present(membership).filter(
    member => member.nodeId !== nodeId && !taken.has(member.address) && inNetwork(member.address, wireguard),
  )
  const nodes = members.map(({ nodeId: id, address, hello }) => {
    const endpoint = last.get(id)
    const peer = { name: id, nodeId: id, publicKey: hello.wireguard, address }
    return endpoint === undefined ? peer : { ...peer, endpoint }
  })
  return [...wireguard.peers, ...nodes]
}
