import * as z from 'zod'
import { ipv4, nodeId, wireguardKey } from './fields.ts'

/**
 * Where a peer was last seen: IPv4 address that a host can have, and UDP port. A hint: WireGuard follows the peer when
 * it moves. Not 0/8, loopback, multicast or reserved: one member could say so, and no node would start again.
 */
export const endpoint = z.string().refine(isEndpoint, 'not an endpoint such as 192.0.2.7:51820')

/** A peer owns exactly one address of the cluster's network; there are no other routes. */
export const peerSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'not a peer name'),
  /** Of a peer that is a node of the cluster: its services are called. An operator has none. */
  nodeId: nodeId.optional(),
  publicKey: wireguardKey,
  address: ipv4,
  endpoint: endpoint.optional(),
})
export type Peer = z.infer<typeof peerSchema>

/** What a node's WireGuard has in each message and record. */
export const wireguardFields = {
  address: ipv4,
  prefix: z.int().min(16).max(30),
  listenPort: z.int().min(1).max(65_535),
  peers: z.array(peerSchema).max(256),
}

/** A node's WireGuard as a gateway, or the operator of a genesis, assigns it. No private key: that never leaves the node. */
export const wireguardSchema = z.strictObject(wireguardFields).superRefine(checkPeers)
export type Wireguard = z.infer<typeof wireguardSchema>

/** True when both IPv4 addresses lie in one network of this prefix length. */
export function inNetwork(
  address: string,
  network: { readonly address: string; readonly prefix: number },
): boolean {
  const mask = network.prefix === 0 ? 0 : (-1 << (32 - network.prefix)) >>> 0
  return (toNumber(address) & mask) >>> 0 === (toNumber(network.address) & mask) >>> 0
}

/** Reports what a schema of single fields cannot see; for `superRefine`. */
export function checkPeers(value: Parameters<typeof faults>[0], context: z.RefinementCtx): void {
  for (const message of faults(value)) context.addIssue({ code: 'custom', path: ['peers'], message })
}

function faults(wireguard: {
  readonly address: string
  readonly prefix: number
  readonly peers: readonly Peer[]
}): readonly string[] {
  const { peers } = wireguard
  const addresses = [wireguard.address, ...peers.map(peer => peer.address)]
  const strangers = peers.filter(peer => !inNetwork(peer.address, wireguard))
  return [
    ...(isDistinct(addresses) ? [] : ['two have one address']),
    ...(isDistinct(peers.map(peer => peer.publicKey)) ? [] : ['two have one key']),
    ...(isDistinct(peers.map(peer => peer.name)) ? [] : ['two have one name']),
    ...(isDistinct(peers.flatMap(peer => peer.nodeId ?? [])) ? [] : ['two have one node id']),
    ...strangers.map(peer => `${peer.address} is outside the network`),
  ]
}

function isEndpoint(text: string): boolean {
  const [host = '', port = '', ...rest] = text.split(':')
  const isHost = ipv4.safeParse(host).success && !/^(0|127|22[4-9]|2[3-5]\d)\./.test(host)
  return rest.length === 0 && isHost && /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535
}

function isDistinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}
