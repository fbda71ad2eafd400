import { inNetwork } from '../../../protocol/wireguard.ts'
import type { Network } from '../access.ts'

/** What a grant may not have a gateway call, although it is an IPv4 address: a grant is anybody's who has an invite. */
const neverCalled: Readonly<Record<string, Network>> = {
  'this network': { address: '0.0.0.0', prefix: 8 },
  'the machine itself': { address: '127.0.0.0', prefix: 8 },
  'a link, where clouds keep credentials': { address: '169.254.0.0', prefix: 16 },
  'multicast or reserved': { address: '224.0.0.0', prefix: 3 },
}

export type CallableFrom = {
  /** Nodes that wait for their owner are not in it yet; those in it have nothing for a gateway on port 9999. */
  readonly network: Network
  /** Of this machine: all its addresses, now. */
  readonly own: () => readonly string[]
}

/** Why a node's address must not be called; undefined where it may be. */
export function whyNotCallable(address: string, { network, own }: CallableFrom): string | undefined {
  const never = Object.entries(neverCalled).find(([, one]) => inNetwork(address, one))
  if (never !== undefined) return never[0]
  if (inNetwork(address, network)) return "the cluster's own network"
  return own().includes(address) ? 'the machine itself' : undefined
}
