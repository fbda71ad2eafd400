import { randomBytes, randomFillSync, randomUUID } from 'node:crypto'
import { type EndpointRecord, isEndpointOf } from '../../protocol/cluster/endpoint.ts'
import { recordsOf } from '../../protocol/cluster/membership.ts'
import { type Acknowledgement, signAcknowledgement } from '../../protocol/completion.ts'
import { sealEscrow } from '../../protocol/escrow.ts'
import { formatTime, fromBase64url, toBase64url } from '../../protocol/fields.ts'
import { helloHash, nodeIdOf } from '../../protocol/hello.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { lend, secretBuffer } from '../../protocol/secret.ts'
import type { Accepted } from './judge.ts'
import { faultPoint } from '../system/faults.ts'
import { commitEnrollment } from '../unlock/commit.ts'
import type { NodeVolume, World } from '../unlock/open.ts'

const firstEscrow = 1

/**
 * Makes the enrollment real: a new disk secret, escrowed to the owner, and the record in the LUKS2 header as the
 * one commit point. Returns the record; the data is mounted afterwards. Throws with nothing committed.
 */
export async function commitAccepted(
  on: { readonly world: World; readonly volume: NodeVolume },
  accepted: Accepted,
): Promise<NodeRecord> {
  const record = newRecord(accepted)
  await faultPoint('commit')
  return lend(randomFillSync(secretBuffer(32)), async secret => {
    const escrow = sealEscrow(secret, accepted.grant.ownerPublicKey, {
      cluster: record.cluster,
      nodeId: record.nodeId,
      luksUuid: record.luksUuid,
      number: firstEscrow,
      owner: record.owner,
    })
    const clusterSecret = fromBase64url(accepted.config.clusterSecret)
    return lend(clusterSecret, async () => {
      const leasePrivate = accepted.session.keys.lease.privateKey
      const enrollment = { secret: secret as Buffer, record, escrow, clusterSecret, leasePrivate }
      return (await commitEnrollment(on.world, on.volume, enrollment)).record
    })
  })
}

function newRecord(accepted: Accepted): NodeRecord {
  const { config, grant, completion, session, membership } = accepted
  return {
    v: 1,
    revision: 1,
    nodeId: nodeIdOf(session.keys.identity.publicKey),
    cluster: config.cluster,
    authority: grant.grant.authority,
    owner: grant.owner,
    ownerPublicKey: toBase64url(grant.ownerPublicKey),
    grant: completion.grant,
    hello: session.hello,
    wireguard: { privateKey: session.keys.wireguard.privateKey.toString('base64'), ...config.wireguard },
    identityPrivate: toBase64url(session.keys.identity.privateKey),
    agentToken: randomBytes(32).toString('hex'),
    luksUuid: randomUUID(),
    // luksFormat makes keyslot 0.
    openings: { current: { kind: 'escrow', keyslot: 0, number: firstEscrow } },
    membership: recordsOf(membership),
    endpoints: ownSayings(accepted),
    sharesKey: toBase64url(randomBytes(32)),
    enrolledAt: formatTime(new Date()),
    lastOrder: 0,
  }
}

/** Endpoints that members say of themselves; a hint that nobody signed is none. */
function ownSayings({ config, membership }: Accepted): readonly EndpointRecord[] {
  const { cluster } = config
  return (config.join?.endpoints ?? []).filter(record => {
    const member = membership.members.get(record.node)
    return member !== undefined && isEndpointOf(record, { hello: member.hello, cluster })
  })
}

/** What the node says to its owner when it is enrolled, signed by its identity. */
export function acknowledge(record: NodeRecord): Acknowledgement {
  const identity = Buffer.from(record.identityPrivate, 'base64url')
  try {
    return signAcknowledgement(
      {
        v: 1,
        nodeId: record.nodeId,
        hello: helloHash(record.hello),
        owner: record.owner,
        cluster: record.cluster,
        luksUuid: record.luksUuid,
        agentToken: record.agentToken,
        wireguard: { publicKey: record.hello.wireguard, address: record.wireguard.address },
      },
      identity,
    )
  } finally {
    identity.fill(0)
  }
}
