import type { NodeRecord } from '../../protocol/record.ts'
import { type InTurn, inTurn } from '../system/in-turn.ts'

/** Whose record it is, and how its next version is kept. */
export type RecordKeeper = {
  record: NodeRecord
  /** Stores a record whose revision is the next; returns what was stored. */
  readonly keepRecord: (record: NodeRecord) => Promise<NodeRecord>
  /** Changes wait for each other. */
  turn?: InTurn
}

/**
 * Stores the record that `edit` makes of the present one. Changes wait for each other: `edit` sees what the one before
 * has left, and where it throws, nothing is stored. Where storing fails, the present record stays, but the other one may
 * be on the disk: an unlock takes either.
 */
export function changeRecord(
  keeper: RecordKeeper,
  edit: (record: NodeRecord) => NodeRecord,
): Promise<NodeRecord> {
  keeper.turn ??= inTurn()
  return keeper.turn(async () => {
    const { revision } = keeper.record
    keeper.record = await keeper.keepRecord({ ...edit(keeper.record), revision: revision + 1 })
    return keeper.record
  })
}
