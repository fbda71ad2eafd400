import type { NodeRecord } from '../../protocol/record.ts'

/** Whose record it is, and how its next version is kept. */
export type RecordKeeper = {
  record: NodeRecord
  /** Stores a record whose revision is the next; returns what was stored. */
  readonly keepRecord: (record: NodeRecord) => Promise<NodeRecord>
  /** The last change that was begun, until it has ended. */
  changing?: Promise<unknown>
}

/**
 * Stores the record that `edit` makes of the present one. Changes wait for each other: `edit` sees what the one before
 * has left, and where it throws, nothing is stored.
 */
export function changeRecord(
  keeper: RecordKeeper,
  edit: (record: NodeRecord) => NodeRecord,
): Promise<NodeRecord> {
  const before = keeper.changing ?? Promise.resolve()
  const change = before.then(async () => {
    const { revision } = keeper.record
    keeper.record = await keeper.keepRecord({ ...edit(keeper.record), revision: revision + 1 })
    return keeper.record
  })
  keeper.changing = change.catch(() => undefined)
  return change
}
