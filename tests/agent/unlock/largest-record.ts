import { composeEviction, evicted } from '../../../protocol/cluster/departure.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { membersMax } from '../../../protocol/cluster/membership.ts'
import { composeAppointment, operatorsMax } from '../../../protocol/cluster/trust.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import type { Epoch } from '../../../protocol/shares/epoch.ts'
import { guardiansMax } from '../../../protocol/shares/plan.ts'
import type { Peer } from '../../../protocol/wireguard.ts'
import {
  authority,
  cluster,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
} from '../../protocol/cluster/sample.ts'
import { sampleRecord } from './node-samples.ts'

const at = '2026-11-27T08:00:00Z'
const longest = {
  version: '1'.repeat(32),
  ip: '192.168.200.200',
  // Each of its slashes may be written as two characters.
  key: Buffer.alloc(32, 255).toString('base64'),
  number: Number.MAX_SAFE_INTEGER,
}
const many = <T>(count: number, make: (at: number) => T) => Array.from({ length: count }, (_, at) => make(at))

/** The record of a node whose cluster has as much of everything as it may, each as long as it may be. */
export function largestRecord(luksUuid: string): NodeRecord {
  const sample = newNode()
  const node = { ...sample, hello: { ...sample.hello, version: longest.version, wireguard: longest.key } }
  const { nodeId, hello } = node
  const member = joinRecord({ node, address: longest.ip, grant: { nodeIp: longest.ip } })
  const where = { cluster, node: nodeId, number: longest.number, endpoint: `${longest.ip}:65535` }
  const endpoint = signEndpoint(where, node.keys.identity.privateKey)
  const eviction = composeEviction({ cluster, node: nodeId, force: 'yes', issued: at })
  const hold = { cluster, node: nodeId, action: 'release', number: Date.parse(at), issued: at } as const
  const departure = evicted(nodeId, signedBy(authority, eviction))
  const [current, next] = [0, 1].map(one => ({ kind: 'shares', keyslot: 30 + one, epoch: epoch() }) as const)
  if (current === undefined) throw new Error('no opening')
  return {
    ...sampleRecord(luksUuid),
    ...{ nodeId, cluster, hello, grant: member.grant, revision: longest.number, lastOrder: longest.number },
    wireguard: {
      ...{ privateKey: longest.key, address: longest.ip, prefix: 16, listenPort: 65_535 },
      peers: many(256, one => peer(one)),
    },
    openings: { current, next },
    membership: {
      appointment: signedBy(authority, composeAppointment(appointment())),
      members: many(membersMax, () => member),
      departures: many(membersMax, () => departure),
      holds: many(membersMax, () => signedBy(authority, composeHold(hold))),
    },
    endpoints: many(membersMax, () => endpoint),
  }
}

function appointment() {
  const operators = many(operatorsMax, () => ({ address: newWallet().address, retired: at }))
  return { cluster, number: longest.number, operators, issued: at }
}

function peer(at: number): Peer {
  const publicKey = Buffer.alloc(32, 255).fill(at, 31).toString('base64')
  const address = `192.168.${100 + (at >> 7)}.${100 + (at & 127)}`
  return {
    name: String(at).padStart(32, '0'),
    nodeId: newNode().nodeId,
    publicKey,
    address,
    endpoint: `${longest.ip}:65535`,
  }
}

function epoch(): Epoch {
  const holders = many(guardiansMax, at => ({
    node: newNode().nodeId,
    x: 100 + at,
    salt: 'A'.repeat(22),
    hash: 'A'.repeat(43),
  }))
  return { number: longest.number, id: 'f'.repeat(32), threshold: 22, made: at, holders }
}
