import { isDeepStrictEqual } from 'node:util'
import { checkRecord, type NodeRecord, type SignedRecord } from '../../protocol/record.ts'

/** What a token holds: the record that is kept, or the one that was to follow it. */
export type Standing = 'kept' | 'following'

/**
 * Compares the token with the record on the opened data partition: its MAC, then that it is exactly that record, or
 * has the revision that follows. Such a one was written by this node, and after the one that is kept, which a write
 * that was cut off, or failed when it had reached the disk, leaves so. Of several that were tried whichever is on the
 * disk counts: nothing has been done in the name of any. Throws Error with the reason: then the volume must be closed,
 * and nothing may start. A wrong MAC is a RangeError of `checkRecord`.
 */
export function checkToken(token: SignedRecord, kept: SignedRecord, key: Buffer): Standing {
  checkRecord(token, key)
  if (token.mac === kept.mac) return 'kept'
  const [is, should] = [token.record, kept.record]
  if (is.revision < should.revision) throw refusal(`revision ${is.revision} is older than ${should.revision}`)
  if (is.owner !== should.owner) throw refusal('its owner is another')
  if (is.revision === should.revision + 1) return 'following'
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
