import type { NodeRecord } from '../../protocol/record.ts'
import { inNetwork } from '../../protocol/wireguard.ts'
import { parseIpv4 } from '../../protocol/ipv4.ts'

/**
 * Throws RangeError unless a node may have this address in the network of this one: it has to be a host's, and not an
 * operator's. Operators are peers of the nodes that they enrolled as genesis; to other nodes only the rule says that
 * the last host of the network is the operator's.
 */
export function checkJoinAddress(
  address: string,
  own: Pick<NodeRecord['wireguard'], 'address' | 'prefix' | 'peers'>,
): void {
  if (!inNetwork(address, own)) throw new RangeError('Cannot admit node: its address is outside the network')
  const hosts = 2 ** (32 - own.prefix)
  const host = (parseIpv4(address) ?? 0) % hosts
  if (host === 0 || host === hosts - 1)
    throw new RangeError('Cannot admit node: its address is that of the network, or of all')
  if (host === hosts - 2 || own.peers.some(peer => peer.address === address))
    throw new RangeError("Cannot admit node: its address is an operator's")
  if (address === own.address) throw new RangeError('Cannot admit node: this node has its address')
}
