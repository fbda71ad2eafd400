import { randomBytes } from 'node:crypto'
import { formatTime, toBase64url } from '../../protocol/fields.ts'
import type { ListedMember } from '../../protocol/shares/store.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { type Epoch, newEpochId, noteHolder } from '../../protocol/shares/epoch.ts'
import { splitSecret } from '../../protocol/shares/split.ts'
import { cluster, newNode } from '../../tests/protocol/cluster/sample.ts'
import { sampleRecord } from '../../tests/agent/unlock/node-samples.ts'

/** A locked node whose guardians are on this machine. */
export type Asker = {
  readonly record: NodeRecord
  readonly epoch: Epoch
  /** As its guardians know it: it asks from 127.0.0.1. */
  readonly member: ListedMember
  /** What its shares make, 32 bytes. */
  readonly secret: Buffer
  /** By guardian. */
  readonly shares: ReadonlyMap<string, Buffer>
}

/** A node that has split a new secret among these guardians. */
export async function newAsker(guardians: readonly string[], threshold: number): Promise<Asker> {
  const { nodeId, hello, keys } = newNode()
  const secret = randomBytes(32)
  const split = await splitSecret(secret, { count: guardians.length, threshold })
  const shares = new Map(guardians.map((guardian, at) => [guardian, split[at] ?? Buffer.alloc(0)]))
  const id = newEpochId(1)
  const blank: Epoch = { ...id, threshold, made: formatTime(new Date()), holders: [] }
  const holders = [...shares].map(([guardian, share]) =>
    noteHolder(share, { node: nodeId, epoch: blank, guardian }),
  )
  const identityPrivate = toBase64url(keys.identity.privateKey)
  const record = { ...sampleRecord('00000000-0000-4000-8000-000000000000'), cluster, nodeId, identityPrivate }
  const member = { nodeId, address: '127.0.0.1', hello }
  return { record, member, secret, shares, epoch: { ...blank, holders } }
}

/** The same share but for one bit: what a guardian has to give to lie. */
export function altered(share: Buffer): Buffer {
  const wrong = Buffer.from(share)
  wrong[0] = (wrong[0] ?? 0) ^ 1
  return wrong
}
