import type { NodeRecord } from '../record.ts'
import { inNetwork, type Peer } from '../wireguard.ts'
import { type Membership, present, restore } from './membership.ts'

/** The cluster as a node's record has it. */
export function membershipOf({ cluster, membership, authority }: ClusterOf): Membership {
  return restore(membership, { cluster, authority })
}

/**
 * WireGuard's peers of a node: its operators', whom the owner named when it was enrolled, and all other members. A
 * member whose address is an operator's or outside the network gets none.
 */
export function peersOf(record: ClusterOf): readonly Peer[] {
  const { nodeId, wireguard, endpoints } = record
  const taken = new Set([wireguard.address, ...wireguard.peers.map(peer => peer.address)])
  const last = new Map(endpoints.map(one => [one.node, one.endpoint]))
  const members = present(membershipOf(record)).filter(
    member => member.nodeId !== nodeId && !taken.has(member.address) && inNetwork(member.address, wireguard),
  )
  const nodes = members.map(({ nodeId: id, address, hello }) => {
    const endpoint = last.get(id)
    const peer = { name: id, nodeId: id, publicKey: hello.wireguard, address }
    return endpoint === undefined ? peer : { ...peer, endpoint }
  })
  return [...wireguard.peers, ...nodes]
}

type ClusterOf = Pick<
  NodeRecord,
  'nodeId' | 'cluster' | 'authority' | 'membership' | 'endpoints' | 'wireguard'
>
