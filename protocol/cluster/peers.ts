import type { NodeRecord } from '../record.ts'
import { inNetwork, type Peer } from '../wireguard.ts'
import type { EndpointRecord } from './endpoint.ts'
import type { Member } from './member.ts'
import { type Membership, present } from './membership.ts'

export type PeersOf = Pick<NodeRecord, 'nodeId' | 'wireguard'> & {
  readonly membership: Membership
  /** Of several of one node the last counts. */
  readonly endpoints: readonly Pick<EndpointRecord, 'node' | 'endpoint'>[]
  /** Who has left, and is a peer for a while all the same. */
  readonly leaving?: readonly Member[]
}

/**
 * WireGuard's peers of a node: its operators', whom the owner named when it was enrolled, and all other members. A
 * member whose address is an operator's or outside the network gets none. A node that was evicted has its operators
 * alone: nobody else answers it. One that leaves has all until it is gone: some still need what it holds.
 */
export function peersOf({
  nodeId,
  wireguard,
  membership,
  endpoints,
  leaving = [],
}: PeersOf): readonly Peer[] {
  if (membership.departures.get(nodeId)?.kind === 'evicted') return wireguard.peers
  const taken = new Set([wireguard.address, ...wireguard.peers.map(peer => peer.address)])
  const last = new Map(endpoints.map(one => [one.node, one.endpoint]))
  const members = [...present(membership), ...leaving].filter(
    member => member.nodeId !== nodeId && !taken.has(member.address) && inNetwork(member.address, wireguard),
  )
  const nodes = members.map(({ nodeId: id, address, hello }) => {
    const endpoint = last.get(id)
    const peer = { name: id, nodeId: id, publicKey: hello.wireguard, address }
    return endpoint === undefined ? peer : { ...peer, endpoint }
  })
  return [...wireguard.peers, ...nodes]
}
