import { serviceIdentity, serviceKey, servicePassword } from '../../protocol/cluster-secret.ts'
import { libp2pId, libp2pKey } from '../../protocol/libp2p.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { secretBuffer } from '../../protocol/secret.ts'
import type { Peer } from '../../protocol/wireguard.ts'
import type { ServiceFacts } from '../services/crun.ts'
import type { Manifest } from '../services/manifest.ts'
import { type ListItem, passwordOf } from '../services/templates.ts'

export type FactSources = {
  readonly record: Pick<NodeRecord, 'nodeId' | 'cluster' | 'wireguard'>
  /** WireGuard's: see `peersOf`. */
  readonly peers: readonly Peer[]
  readonly clusterSecret: Uint8Array
  /** The DNS servers that the node was given, by DHCP or its operator. */
  readonly nameservers: readonly string[]
}

/**
 * Lends what the templates of a service are filled from. Peers are those that are nodes: an operator's WireGuard peer
 * runs no services.
 */
export async function withServiceFacts<T>(
  { name: service, requires }: Pick<Manifest, 'name' | 'requires'>,
  { record, peers: all, clusterSecret, nameservers }: FactSources,
  use: (facts: ServiceFacts) => Promise<T>,
): Promise<T> {
  const { nodeId, cluster, wireguard } = record
  const memberOf = async (of: string, address: string) => {
    const id = await withSeed(clusterSecret, { service, nodeId: of }, seed => Promise.resolve(libp2pId(seed)))
    return { itemAddress: address, itemNodeId: of, itemLibp2pId: id }
  }
  const nodes = all.flatMap(peer => (peer.nodeId === undefined ? [] : [{ ...peer, nodeId: peer.nodeId }]))
  const peers = await Promise.all(nodes.map(peer => memberOf(peer.nodeId, peer.address)))
  const self = await memberOf(nodeId, wireguard.address)
  const secrets = {
    password: asciiOf(servicePassword(clusterSecret, service)),
    clusterKey: hexOf(serviceKey(clusterSecret, service)),
    libp2pKey: await withSeed(clusterSecret, { service, nodeId }, libp2pKey),
    ...passwordsOf(requires, clusterSecret),
  }
  try {
    return await use({
      open: { nodeId, cluster, wireguardAddress: wireguard.address, libp2pId: self.itemLibp2pId },
      sources: { peers, members: [self, ...peers], nameservers: outside(nameservers, wireguard.address) },
      secrets,
    })
  } finally {
    for (const secret of Object.values(secrets)) secret.fill(0)
  }
}

/** What it calls wants to know who it is. */
function passwordsOf(services: readonly string[], clusterSecret: Uint8Array): Record<string, Buffer> {
  return Object.fromEntries(
    services.map(name => [passwordOf(name), asciiOf(servicePassword(clusterSecret, name))]),
  )
}

/** What an early service is told: nothing that the disk hides, and of no other node. */
export function withEarlyFacts<T>(
  { nodeId, cluster, wireguard }: FactSources['record'],
  use: (facts: ServiceFacts) => Promise<T>,
): Promise<T> {
  const none = new Uint8Array(0)
  return use({
    open: { nodeId, cluster, wireguardAddress: wireguard.address, libp2pId: '' },
    sources: { peers: [], members: [], nameservers: [] },
    secrets: { password: none, clusterKey: none, libp2pKey: none },
  })
}

/** A node that asked itself would ask for ever. */
function outside(nameservers: readonly string[], own: string): ListItem[] {
  return [...new Set(nameservers)]
    .filter(server => server !== own && !server.startsWith('127.') && server !== '0.0.0.0')
    .map(itemAddress => ({ itemAddress }))
}

async function withSeed<T>(
  clusterSecret: Uint8Array,
  of: { readonly service: string; readonly nodeId: string },
  use: (seed: Buffer) => Promise<T>,
): Promise<T> {
  const seed = serviceIdentity(clusterSecret, of)
  try {
    return await use(seed)
  } finally {
    seed.fill(0)
  }
}

function asciiOf(text: string): Buffer {
  const bytes = secretBuffer(text.length)
  bytes.write(text, 'ascii')
  return bytes
}

const hexDigits = Buffer.from('0123456789abcdef')

/** Hex digits as bytes; what they are made from is wiped. */
function hexOf(key: Buffer): Buffer {
  const text = secretBuffer(key.length * 2)
  for (const [at, byte] of key.entries()) {
    text[2 * at] = hexDigits[byte >> 4] ?? 0
    text[2 * at + 1] = hexDigits[byte & 15] ?? 0
  }
  key.fill(0)
  return text
}
