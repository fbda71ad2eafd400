import * as z from 'zod'

/** What a parameter can be. No bytes: they are stored as base64url. */
export type Value = string | number | null

/** SQL with named parameters (`:now`) and their values. A value never stands in the text. */
export type Statement = readonly [sql: string, params: Readonly<Record<string, Value>>]

export type Row = Readonly<Record<string, unknown>>

export type Database = {
  /** The rows of one SELECT, which sees every write that was acknowledged before. */
  readonly query: (statement: Statement) => Promise<readonly Row[]>
  /**
   * All statements or none, and no other between them. A transaction cannot branch: a decision is one conditional
   * statement, and `rowsAffected` (of INSERT, UPDATE and DELETE) says how it went. Throws UnknownOutcomeError.
   */
  readonly execute: (
    statements: readonly Statement[],
    options?: Repeat,
  ) => Promise<readonly { readonly rowsAffected: number }[]>
  /**
   * Takes nodes out of those that carry the database, for good: a majority is one of those that are left. Of those that
   * are none of them nothing happens.
   */
  readonly expel: (nodes: readonly string[]) => Promise<void>
  readonly close: () => Promise<void>
}

export type Repeat = {
  /**
   * True where these statements, carried out twice, leave what they leave when carried out once, with the same
   * `rowsAffected` where the caller looks at it, or one that is safe. Only then is a write sent again whose answer was
   * lost.
   */
  readonly repeatable: boolean
}

/** Nobody knows whether a write happened: its answer was lost, and it must not be sent again blindly. */
export class UnknownOutcomeError extends Error {
  override readonly name = 'UnknownOutcomeError'
}

/** No node of the registry can carry anything out now: nothing was done. */
export class RegistryAwayError extends Error {
  override readonly name = 'RegistryAwayError'
}

/** True where asking again later may help. */
export function isAway(cause: unknown): boolean {
  return cause instanceof UnknownOutcomeError || cause instanceof RegistryAwayError
}

const textCharactersMax = 65_536

// rqlite makes bytes of a text that looks like an SQL blob: a value of this form would not be the text it was.
const blobLiteral = /^[\s\x85]*x'[0-9a-f]*'[\s\x85]*$/i

/**
 * Throws RangeError for a value that the two databases would not store and compare alike: NUL, half a surrogate pair,
 * what looks like a blob, what is too long or no exact integer. Names the parameter, never the value.
 */
export function checkStatement([, params]: Statement): void {
  for (const [name, value] of Object.entries(params)) {
    const fault = faultOf(value)
    if (fault !== undefined) throw new RangeError(`Cannot use parameter '${name}': ${fault}`)
  }
}

/** The rows of a SELECT as a schema wants them. Throws ZodError: someone else wrote to the database. */
export async function readRows<T>(
  database: Database,
  statement: Statement,
  schema: z.ZodType<T>,
): Promise<T[]> {
  return (await database.query(statement)).map(row => schema.parse(row))
}

/** A column that holds a JSON text of this form. */
export function jsonColumn<T>(schema: z.ZodType<T>) {
  return z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)
}

/** Runs one statement that may be repeated, and says how many rows it changed. */
export async function decide(database: Database, statement: Statement): Promise<number> {
  const [changed] = await database.execute([statement], { repeatable: true })
  return changed?.rowsAffected ?? 0
}

function faultOf(value: Value): string | undefined {
  if (value === null) return undefined
  if (typeof value === 'number') return Number.isSafeInteger(value) ? undefined : 'it is no exact integer'
  if (value.length > textCharactersMax) return `it has more than ${textCharactersMax} characters`
  if (value.includes('\0')) return 'it has a NUL'
  if (!value.isWellFormed()) return 'it is no well-formed text'
  return blobLiteral.test(value) ? 'it looks like a blob of SQL' : undefined
}
