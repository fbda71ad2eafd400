import * as z from 'zod'
import { type Row, UnknownOutcomeError } from './database.ts'

const error = z.string().optional()

const changesSchema = z.object({
  results: z.array(z.object({ rows_affected: z.int().min(0).default(0), error })).max(256),
})

const rowsSchema = z.object({
  results: z.tuple([
    z.object({
      columns: z.array(z.string()).max(64).default([]),
      // Absent where there are no rows.
      values: z
        .array(z.array(z.union([z.string(), z.number(), z.null()])).max(64))
        .max(65_536)
        .default([]),
      error,
    }),
  ]),
})

/**
 * What the statements of a transaction changed. Throws Error when one was refused, and all rolled back;
 * UnknownOutcomeError for what is no reply to so many statements.
 */
export function readChanges(reply: unknown, statements: number): { rowsAffected: number }[] {
  const parsed = changesSchema.safeParse(reply)
  const results = parsed.data?.results ?? []
  for (const [at, one] of results.entries())
    if (one.error !== undefined)
      throw new Error(
        `Cannot write to the registry: rqlite refused statement ${at + 1}: ${reasonOf(one.error)}`,
      )
  if (results.length !== statements)
    throw new UnknownOutcomeError('Cannot tell whether rqlite did what was asked: its answer makes no sense')
  return results.map(one => ({ rowsAffected: one.rows_affected }))
}

/** The rows of a reply to one SELECT, by column. Throws Error when it was refused, ZodError for what is no reply. */
export function readRowsOf(reply: unknown): readonly Row[] {
  const [{ columns, values, error }] = rowsSchema.parse(reply).results
  if (error !== undefined)
    throw new Error(`Cannot read the registry: rqlite refused the statement: ${reasonOf(error)}`)
  return values.map(row => Object.fromEntries(columns.map((column, at) => [column, row[at]])))
}

const reasons = [
  'UNIQUE constraint',
  'CHECK constraint',
  'NOT NULL constraint',
  'no such',
  'syntax error',
] as const

/** The kind of SQLite's error: its text may hold parts of a statement. */
function reasonOf(text: string): string {
  return reasons.find(reason => text.includes(reason)) ?? 'another error of SQLite'
}
