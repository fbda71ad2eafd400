import { isDeepStrictEqual } from 'node:util'
import { checkRecord, type NodeRecord, type SignedRecord } from '../../protocol/record.ts'
import type { Store } from './record-store.ts'

/** Which of the stored records the token holds. */
export type Standing = 'current' | 'next'

/**
 * Compares the token with the records on the opened data partition: its MAC, then that it is exactly the record
 * that counts, or the next one that was being written. Throws Error with the reason: then the volume must be
 * closed, and nothing may start. A wrong MAC is a RangeError of `checkRecord`.
 */
export function checkToken(token: SignedRecord, store: Store, key: Buffer): Standing {
  checkRecord(token, key)
  if (token.mac === store.current.mac) return 'current'
  if (store.next !== undefined && token.mac === store.next.mac) return 'next'
  const [is, should] = [token.record, store.current.record]
  if (is.revision < should.revision) throw refusal(`revision ${is.revision} is older than ${should.revision}`)
  if (is.owner !== should.owner) throw refusal('its owner is another')
  throw refusal(`revision ${is.revision} is not what was written`)
}

/**
 * The record that has been checked has to be the one that the node has worked with since its boot: peers and
 * agent token of an altered one would otherwise outlive the moment at which the disk is put right again.
 */
export function checkUnchanged(checked: NodeRecord, used: NodeRecord): void {
  if (!isDeepStrictEqual(checked, used)) throw refusal('it has changed since this boot; start the node again')
}

function refusal(reason: string): Error {
  return new Error(`Cannot trust orama-node: ${reason}`)
}
