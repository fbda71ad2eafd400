import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { canonicalText } from '../../../protocol/canonical.ts'
import {
  type AuditEntry,
  auditEntrySchema,
  type AuditPage,
  auditPageMax,
} from '../../../protocol/cluster/audit.ts'
import { type Database, decide, jsonColumn, readRows } from './database.ts'

export type Audit = {
  /** Throws ZodError for an entry that does not fit. */
  readonly append: (entry: AuditEntry) => Promise<void>
  /** The newest first; with a cursor, those before it. Throws RangeError for a limit outside 1 to 256. */
  readonly page: (limit: number, cursor?: number) => Promise<AuditPage>
}

/** What was asked of the gateways: only ever added to. */
export function auditOf(database: Database): Audit {
  return {
    append: async entry => {
      // The id makes that an entry whose answer was lost is stored once, however often it is sent.
      const values = {
        id: randomBytes(16).toString('hex'),
        entry: canonicalText(auditEntrySchema.parse(entry)),
      }
      await decide(database, [
        'INSERT INTO audit (id, entry) VALUES (:id, :entry) ON CONFLICT DO NOTHING',
        values,
      ])
    },
    page: (limit, cursor = Number.MAX_SAFE_INTEGER) => page(database, limit, cursor),
  }
}

async function page(database: Database, limit: number, cursor: number): Promise<AuditPage> {
  if (!Number.isInteger(limit) || limit < 1 || limit > auditPageMax)
    throw new RangeError(`Cannot read audit: ask for 1 to ${auditPageMax} entries`)
  const sql = 'SELECT sequence, entry FROM audit WHERE sequence < :cursor ORDER BY sequence DESC LIMIT :limit'
  // One more than asked for: whether there is another page.
  const rows = await readRows(database, [sql, { cursor, limit: limit + 1 }], rowSchema)
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)?.sequence
  return {
    entries: shown.map(row => row.entry),
    ...(rows.length > limit && last !== undefined ? { cursor: last } : {}),
  }
}

const rowSchema = z.object({
  sequence: z.int().min(1),
  entry: jsonColumn(auditEntrySchema),
})
