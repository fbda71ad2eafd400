import * as z from 'zod'
import { canonicalText } from '../../../protocol/canonical.ts'
import { formatTime, sha256Hex, type SignedText, signedTextSchema, time } from '../../../protocol/fields.ts'
import { checkVoucher } from '../../../protocol/cluster/voucher.ts'
import type { InviteEntry } from '../../../protocol/cluster/joining.ts'
import type { Trust } from '../../../protocol/cluster/trust.ts'
import { addressSchema, recoverSigner } from '../../../protocol/wallet.ts'
import { type Database, decide, jsonColumn, readRows, type Statement } from './database.ts'
import { deadline } from './times.ts'

export type InviteState = InviteEntry['state']

export type Reservation = {
  readonly tokenHash: string
  /** Hash of the hello that wants the invite. */
  readonly hello: string
  /** When the reservation ends unless it was spent: the end of the grant, at most an hour ahead. */
  readonly until: Date
}

export type Added = 'stored' | 'expired' | 'taken'
/** `finished`: this very hello has spent it already; `taken`: another has it reserved. */
export type Reserved = 'reserved' | 'finished' | 'taken' | 'spent' | 'expired' | 'revoked' | 'unknown'
export type Spent = 'spent' | 'not-reserved' | 'revoked' | 'unknown'

export type Invites = {
  /** `taken`: the token's hash is known with another voucher. Throws as `checkVoucher` does. */
  readonly add: (signed: SignedText, of: { readonly trust: Trust; readonly now: Date }) => Promise<Added>
  /**
   * For one hello at a time: again for the same, although the voucher has expired meanwhile, and for another when the
   * reservation has ended. Throws RangeError for a time that cannot be.
   */
  readonly reserve: (reservation: Reservation, now: Date) => Promise<Reserved>
  /** By the hello that reserved it, also when its time is over and nobody came after it. */
  readonly spend: (of: Pick<Reservation, 'tokenHash' | 'hello'>, now: Date) => Promise<Spent>
  /** True while this hello was the last that reserved it, or has spent it, and nobody took it back. */
  readonly isKept: (of: Pick<Reservation, 'tokenHash' | 'hello'>) => Promise<boolean>
  /**
   * Gives back what this hello reserved once and did not spend; says what state the invite has then. Where it asked more
   * than once, here or at another gateway, one request cannot know what became of the others: it stays reserved.
   */
  readonly release: (
    of: Pick<Reservation, 'tokenHash' | 'hello'>,
    now: Date,
  ) => Promise<InviteState | 'unknown'>
  /** Nobody can use it any more, an enrollment under way included; one that was spent stays spent. */
  readonly revoke: (tokenHash: string, now: Date) => Promise<'revoked' | 'spent' | 'unknown'>
  /** The voucher, which becomes a part of the member record. */
  readonly voucher: (tokenHash: string) => Promise<SignedText | undefined>
  /** One, as operators see it. */
  readonly entry: (tokenHash: string, now: Date) => Promise<InviteEntry | undefined>
  /** Those issued last, at most 256. */
  readonly list: (now: Date) => Promise<readonly InviteEntry[]>
}

/** The invites of a registry. A token's hash is 64 hex digits; what is not is refused with ZodError. */
export function invitesOf(database: Database): Invites {
  return {
    add: (signed, of) => add(database, signed, of),
    reserve: (reservation, now) => reserve(database, reservation, now),
    spend: (of, now) => spend(database, of, now),
    isKept: of => isKept(database, of),
    release: (of, now) => release(database, of, now),
    revoke: (tokenHash, now) => revoke(database, tokenHash, now),
    voucher: async tokenHash => (await find(database, tokenHash))?.voucher,
    entry: async (tokenHash, now) => {
      const row = await find(database, tokenHash)
      return row === undefined ? undefined : entryOf(row, now)
    },
    list: now => list(database, now),
  }
}

async function add(
  database: Database,
  signed: SignedText,
  { trust, now }: { readonly trust: Trust; readonly now: Date },
): Promise<Added> {
  const { tokenHash, issued, expires } = checkVoucher(signed, trust)
  if (expires <= formatTime(now)) return 'expired'
  const operator = recoverSigner(signed.text, signed.signature).address
  const voucher = canonicalText(signedTextSchema.parse(signed))
  // Of a voucher that is there already it changes nothing, and yet counts as one row.
  const stored = await decide(database, [
    `INSERT INTO invites (token_hash, operator, voucher, issued, expires)
     VALUES (:tokenHash, :operator, :voucher, :issued, :expires)
     ON CONFLICT (token_hash) DO UPDATE SET voucher = excluded.voucher WHERE voucher = excluded.voucher`,
    { tokenHash, operator, voucher, issued, expires },
  ])
  return stored === 1 ? 'stored' : 'taken'
}

async function reserve(database: Database, reservation: Reservation, now: Date): Promise<Reserved> {
  const { tokenHash, hello } = parseNames(reservation)
  const values = { tokenHash, hello, now: formatTime(now), until: deadline(reservation.until, now) }
  // Sent again after a lost answer it counts as two: then nothing is given back before its time.
  const answers = await database.execute([keeping(values), taking(values)], { repeatable: true })
  if (answers.some(({ rowsAffected }) => rowsAffected === 1)) return 'reserved'
  const invite = await find(database, tokenHash)
  if (invite === undefined) return 'unknown'
  const state = stateOf(invite, now)
  if (state === 'spent') return invite.hello === hello ? 'finished' : 'spent'
  // Also where it has become open since: who asks again gets it.
  return state === 'expired' || state === 'revoked' ? state : 'taken'
}

type Taker = Readonly<Record<'tokenHash' | 'hello' | 'now' | 'until', string>>

/** By the hello that had it last. */
function keeping(values: Taker): Statement {
  return [
    `UPDATE invites SET reserved_until = :until, asks = asks + 1
     WHERE token_hash = :tokenHash AND hello = :hello AND spent_at IS NULL AND revoked_at IS NULL
       AND (reserved_until > :now OR expires > :now)`,
    values,
  ]
}

/** By a hello that did not have it, where nobody has it now. */
function taking(values: Taker): Statement {
  return [
    `UPDATE invites SET hello = :hello, reserved_until = :until, asks = 1
     WHERE token_hash = :tokenHash AND hello IS NOT :hello AND spent_at IS NULL AND revoked_at IS NULL
       AND expires > :now AND (reserved_until IS NULL OR reserved_until <= :now)`,
    values,
  ]
}

async function spend(
  database: Database,
  of: Pick<Reservation, 'tokenHash' | 'hello'>,
  now: Date,
): Promise<Spent> {
  const { tokenHash, hello } = parseNames(of)
  const won = await decide(database, [
    `UPDATE invites SET spent_at = coalesce(spent_at, :now)
     WHERE token_hash = :tokenHash AND hello = :hello AND revoked_at IS NULL`,
    { tokenHash, hello, now: formatTime(now) },
  ])
  if (won === 1) return 'spent'
  const invite = await find(database, tokenHash)
  if (invite === undefined) return 'unknown'
  return invite.revoked_at === null ? 'not-reserved' : 'revoked'
}

async function isKept(database: Database, of: Pick<Reservation, 'tokenHash' | 'hello'>): Promise<boolean> {
  const { tokenHash, hello } = parseNames(of)
  const invite = await find(database, tokenHash)
  return invite?.hello === hello && invite.revoked_at === null
}

async function release(
  database: Database,
  of: Pick<Reservation, 'tokenHash' | 'hello'>,
  now: Date,
): Promise<InviteState | 'unknown'> {
  const values = parseNames(of)
  await decide(database, [
    `UPDATE invites SET hello = NULL, reserved_until = NULL
     WHERE token_hash = :tokenHash AND hello = :hello AND asks = 1 AND spent_at IS NULL`,
    values,
  ])
  const invite = await find(database, values.tokenHash)
  return invite === undefined ? 'unknown' : stateOf(invite, now)
}

async function revoke(
  database: Database,
  tokenHash: string,
  now: Date,
): Promise<'revoked' | 'spent' | 'unknown'> {
  const won = await decide(database, [
    `UPDATE invites SET revoked_at = coalesce(revoked_at, :now)
     WHERE token_hash = :tokenHash AND spent_at IS NULL`,
    { tokenHash: sha256Hex.parse(tokenHash), now: formatTime(now) },
  ])
  if (won === 1) return 'revoked'
  return (await find(database, tokenHash)) === undefined ? 'unknown' : 'spent'
}

async function list(database: Database, now: Date): Promise<readonly InviteEntry[]> {
  const sql = 'SELECT * FROM invites ORDER BY issued DESC, token_hash LIMIT 256'
  const rows = await readRows(database, [sql, {}], rowSchema)
  return rows.map(row => entryOf(row, now))
}

function entryOf(row: Row, now: Date): InviteEntry {
  const { token_hash: tokenHash, operator, issued, expires, hello } = row
  const state = stateOf(row, now)
  const holder = hello === null || (state !== 'reserved' && state !== 'spent') ? {} : { hello }
  return { tokenHash, operator, issued, expires, state, ...holder }
}

const rowSchema = z.object({
  token_hash: sha256Hex,
  operator: addressSchema,
  voucher: jsonColumn(signedTextSchema),
  issued: time,
  expires: time,
  hello: sha256Hex.nullable(),
  reserved_until: time.nullable(),
  spent_at: time.nullable(),
  revoked_at: time.nullable(),
})
type Row = z.infer<typeof rowSchema>

async function find(database: Database, tokenHash: string): Promise<Row | undefined> {
  const sql = 'SELECT * FROM invites WHERE token_hash = :tokenHash'
  const values = { tokenHash: sha256Hex.parse(tokenHash) }
  return (await readRows(database, [sql, values], rowSchema))[0]
}

function stateOf(row: Row, now: Date): InviteState {
  const at = formatTime(now)
  if (row.spent_at !== null) return 'spent'
  if (row.revoked_at !== null) return 'revoked'
  if (row.reserved_until !== null && row.reserved_until > at) return 'reserved'
  return row.expires <= at ? 'expired' : 'open'
}

function parseNames({ tokenHash, hello }: Pick<Reservation, 'tokenHash' | 'hello'>) {
  return { tokenHash: sha256Hex.parse(tokenHash), hello: sha256Hex.parse(hello) }
}
