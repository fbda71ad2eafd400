import { randomBytes } from 'node:crypto'
import { askByHttp } from '../../agent/shares/ask.ts'
import { type Collected, collectSecret } from '../../agent/shares/collect.ts'
import { guardianClient } from '../../agent/shares/guardian-client.ts'
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

/** Where guardians are: addresses by node id, and the one port of them all. */
export type Places = { readonly addresses: ReadonlyMap<string, string>; readonly port: number }

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

/** Collects and combines as the agent of a locked node does, but over loopback; the secret is the caller's to wipe. */
export function collect(
  { record, epoch }: Pick<Asker, 'record' | 'epoch'>,
  { addresses, port }: Places,
): Promise<Collected> {
  const { signal } = new AbortController()
  const guardians = guardianClient({
    record: () => record,
    ask: askByHttp({ addressOf: node => addresses.get(node), port, signal }),
    withLeaseKey: () => Promise.reject(new Error('Cannot lend the lease key: the node is locked')),
    isUnlocked: () => false,
    bootId: '0'.repeat(32),
    release: () => ({ counter: 1, floor: 1 }),
  })
  return collectSecret({ node: record.nodeId, epoch, guardians, signal })
}

/** The same share but for one bit: what a guardian has to give to lie. */
export function altered(share: Buffer): Buffer {
  const wrong = Buffer.from(share)
  wrong[0] = (wrong[0] ?? 0) ^ 1
  return wrong
}
