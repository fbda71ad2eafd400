import { askByHttp } from '../../agent/shares/ask.ts'
import { type Collected, collectSecret } from '../../agent/shares/collect.ts'
import { guardianClient } from '../../agent/shares/guardian-client.ts'
import type { Asker } from './asker.ts'

/** Where guardians are: addresses by node id, and the one port of them all. */
export type Places = { readonly addresses: ReadonlyMap<string, string>; readonly port: number }

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
