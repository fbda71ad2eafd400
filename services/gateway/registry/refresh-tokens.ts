import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { formatTime, sha256Hex, time } from '../../../protocol/fields.ts'
import { type Address, addressSchema } from '../../../protocol/wallet.ts'
import { type Database, decide, readRows, type Statement } from './database.ts'
import { dayMs, later } from './times.ts'

/** A refresh token as it is stored. All that come of one sign-in are one session. */
export const refreshSchema = z.strictObject({
  /** SHA-256 of the token. */
  hash: sha256Hex,
  /** 16 random bytes in hex. */
  session: z.string().regex(/^[0-9a-f]{32}$/, 'not 32 lower-case hex digits'),
  address: addressSchema,
  /** The end of the session; no refresh moves it. */
  expires: time,
})
export type Refresh = z.infer<typeof refreshSchema>

export type RefreshTokens = {
  /** Stores a new token; that of a session which has ended counts for nothing. Throws ZodError. */
  readonly save: (refresh: Refresh, now: Date) => Promise<void>
  /**
   * Marks a token as used: `isFirstUse` for one caller, once. A token that comes again is in two hands, and ends its
   * session in the same step. Undefined for one that was never saved, has expired, or whose session has ended.
   */
  readonly use: (hash: string, now: Date) => Promise<Used | undefined>
  /** Signs out: no token of this session counts any more, nor one that is saved later. */
  readonly endSession: (session: string, now: Date) => Promise<void>
  /** Signs an operator out everywhere. */
  readonly endAll: (operator: Address, now: Date) => Promise<void>
}

export type Used = { readonly refresh: Refresh; readonly isFirstUse: boolean }

/** The refresh tokens of operators who signed in, by their hashes. */
export function refreshTokensOf(database: Database): RefreshTokens {
  return {
    save: (refresh, now) => save(database, refresh, now),
    use: (hash, now) => use(database, hash, now),
    endSession: async (session, now) => {
      await decide(database, ending('session', refreshSchema.shape.session.parse(session), now))
    },
    endAll: async (operator, now) => {
      await decide(database, ending('operator', addressSchema.parse(operator), now))
    },
  }
}

async function save(database: Database, refresh: Refresh, now: Date): Promise<void> {
  const { hash, session, address: operator, expires } = refreshSchema.parse(refresh)
  const insert: Statement = [
    `INSERT INTO refresh_tokens (hash, session, operator, expires, ended_at)
     VALUES (:hash, :session, :operator, :expires,
       (SELECT max(ended_at) FROM refresh_tokens WHERE session = :session))
     ON CONFLICT DO NOTHING`,
    { hash, session, operator, expires },
  ]
  const sweep: Statement = ['DELETE FROM refresh_tokens WHERE expires <= :past', { past: later(now, -dayMs) }]
  await database.execute([insert, sweep], { repeatable: true })
}

async function use(database: Database, token: string, now: Date): Promise<Used | undefined> {
  const hash = sha256Hex.parse(token)
  const claim = randomBytes(16).toString('hex')
  const statements = using({ hash, claim, now: formatTime(now) })
  const [first, ended] = await database.execute(statements, { repeatable: true })
  const isFirstUse = first?.rowsAffected === 1
  // After a repetition a second use may look like one of a session that had ended: it is refused either way.
  if (!isFirstUse && ended?.rowsAffected === 0) return undefined
  const refresh = await find(database, hash)
  return refresh === undefined ? undefined : { refresh, isFirstUse }
}

/** The claim is of one call: it may be sent again, and whoever comes with another has come second. */
function using(values: { readonly hash: string; readonly claim: string; readonly now: string }): Statement[] {
  return [
    [
      `UPDATE refresh_tokens SET used_by = :claim
       WHERE hash = :hash AND expires > :now AND ended_at IS NULL AND (used_by IS NULL OR used_by = :claim)`,
      values,
    ],
    [
      `UPDATE refresh_tokens SET ended_at = :now
       WHERE ended_at IS NULL AND expires > :now
         AND session = (SELECT session FROM refresh_tokens WHERE hash = :hash AND used_by <> :claim)`,
      values,
    ],
  ]
}

function ending(column: 'session' | 'operator', of: string, now: Date): Statement {
  const sql = `UPDATE refresh_tokens SET ended_at = :now WHERE ${column} = :of AND ended_at IS NULL`
  return [sql, { of, now: formatTime(now) }]
}

async function find(database: Database, hash: string): Promise<Refresh | undefined> {
  const sql = 'SELECT hash, session, operator AS address, expires FROM refresh_tokens WHERE hash = :hash'
  return (await readRows(database, [sql, { hash }], refreshSchema))[0]
}
