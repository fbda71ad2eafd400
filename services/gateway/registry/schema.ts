import * as z from 'zod'
import { formatTime } from '../../../protocol/fields.ts'
import { type Database, isAway, readRows, type Statement } from './database.ts'

// Times are RFC 3339 texts of protocol/fields.ts, which compare as the times do; addresses are numbers, so that the
// lowest can be found; records and audit entries are canonical JSON. Tables refer to each other by hash and node id
// without foreign keys: rqlited checks none unless it is started with -fk. `asks` is how many requests, at whatever
// gateways, have wanted the same for one hello.

/** Each is carried out once, in order, in one transaction; what was released is never edited, only followed. */
export const migrations: readonly (readonly string[])[] = [
  [
    `CREATE TABLE invites (
      token_hash TEXT PRIMARY KEY,
      operator TEXT NOT NULL,
      voucher TEXT NOT NULL,
      issued TEXT NOT NULL,
      expires TEXT NOT NULL,
      hello TEXT,
      reserved_until TEXT,
      asks INTEGER NOT NULL DEFAULT 0,
      spent_at TEXT,
      revoked_at TEXT
    ) STRICT`,
    `CREATE TABLE addresses (
      address INTEGER PRIMARY KEY,
      hello TEXT NOT NULL UNIQUE,
      token_hash TEXT NOT NULL,
      asks INTEGER NOT NULL,
      free_from TEXT
    ) STRICT`,
    `CREATE TABLE records (
      sequence INTEGER PRIMARY KEY,
      kind TEXT NOT NULL CHECK (kind IN ('appointment', 'member', 'departure', 'hold')),
      name TEXT NOT NULL,
      address INTEGER,
      body TEXT NOT NULL,
      at TEXT NOT NULL,
      UNIQUE (kind, name)
    ) STRICT`,
    `CREATE INDEX records_address ON records (address)`,
    `CREATE TABLE nonces (nonce TEXT PRIMARY KEY, claim TEXT NOT NULL, expires TEXT NOT NULL) STRICT`,
    `CREATE TABLE refresh_tokens (
      hash TEXT PRIMARY KEY,
      session TEXT NOT NULL,
      operator TEXT NOT NULL,
      expires TEXT NOT NULL,
      used_by TEXT,
      ended_at TEXT
    ) STRICT`,
    `CREATE INDEX refresh_tokens_session ON refresh_tokens (session)`,
    `CREATE INDEX refresh_tokens_operator ON refresh_tokens (operator)`,
    `CREATE TABLE operators (address TEXT PRIMARY KEY, last_seen TEXT NOT NULL) STRICT`,
    `CREATE TABLE audit (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      entry TEXT NOT NULL
    ) STRICT`,
    `CREATE TABLE node_tokens (node TEXT PRIMARY KEY, box TEXT NOT NULL) STRICT`,
    `CREATE TABLE join_answers (hello TEXT PRIMARY KEY, box TEXT NOT NULL) STRICT`,
  ],
]

/**
 * Brings the tables up to this program's version. Two gateways may do it at once: each migration begins by taking its
 * number, so of two transactions the second fails as a whole. Throws RangeError for tables of a later program.
 */
export async function migrate(database: Database, now: Date, steps = migrations): Promise<void> {
  const meta = 'CREATE TABLE IF NOT EXISTS meta (version INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT'
  await database.execute([[meta, {}]], { repeatable: true })
  for (;;) {
    const version = await versionOf(database)
    if (version > steps.length)
      throw new RangeError(
        `Cannot use registry: its version is ${version}, this program knows ${steps.length}; update it first`,
      )
    const step = steps[version]
    if (step === undefined) return
    await database.execute(migration(version + 1, step, now)).catch(async (cause: unknown) => {
      if ((await versionOf(database)) !== version) return
      if (isAway(cause)) throw cause
      throw new Error(`Cannot migrate registry to version ${version + 1}`, { cause })
    })
  }
}

async function versionOf(database: Database): Promise<number> {
  const sql = 'SELECT coalesce(max(version), 0) AS version FROM meta'
  const [row] = await readRows(database, [sql, {}], z.object({ version: z.int().min(0) }))
  return row?.version ?? 0
}

function migration(version: number, step: readonly string[], now: Date): Statement[] {
  const take: Statement = [
    'INSERT INTO meta (version, at) VALUES (:version, :at)',
    { version, at: formatTime(now) },
  ]
  return [take, ...step.map((sql): Statement => [sql, {}])]
}
