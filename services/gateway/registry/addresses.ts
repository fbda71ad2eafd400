import * as z from 'zod'
import { formatIpv4, parseIpv4 } from '../../../protocol/ipv4.ts'
import { formatTime, ipv4, sha256Hex, time } from '../../../protocol/fields.ts'
import { type Database, decide, readRows, type Statement } from './database.ts'
import { dayMs, deadline, later } from './times.ts'

/** What is given away: the addresses of a network from its second host on, without its broadcast address. */
export type Pool = {
  /** Address of the network: 10.0.0.0. */
  readonly network: string
  readonly prefix: number
  /** Never given: those of operators' own peers. At most 256. */
  readonly reserved: readonly string[]
}

/** As a genesis makes its cluster: the operator's own peer is .254. */
export const defaultPool: Pool = { network: '10.0.0.0', prefix: 24, reserved: ['10.0.0.254'] }

/** Addresses of nodes that have left rest so long: their name servers, peers and logs still know them. */
export const restDays = 30

export type Allocation = {
  /** Hash of the hello that it is for: it holds one address. */
  readonly hello: string
  readonly tokenHash: string
  /** When it ends unless it was confirmed: the end of the grant, at most an hour ahead. */
  readonly until: Date
}

export type AddressEntry = {
  readonly address: string
  readonly hello: string
  readonly tokenHash: string
  /** `given`: its node has not joined yet. */
  readonly state: 'given' | 'confirmed' | 'resting'
  /** From when another may have it; absent where it is confirmed. */
  readonly freeFrom?: string
}

export type Addresses = {
  /** The one that this hello has, else the lowest that is free; undefined where all are held or rest. */
  readonly allocate: (allocation: Allocation, now: Date) => Promise<string | undefined>
  /** The node was heard: the address is its own until it is freed. Also late, as long as nobody else has it. */
  readonly confirm: (hello: string) => Promise<'confirmed' | 'unknown'>
  /** The one that this hello was given last, as long as nobody else has it; also where it rests. */
  readonly keptFor: (hello: string) => Promise<string | undefined>
  /**
   * Takes back what was given and not confirmed: its node never heard of it, so that it need not rest. Where this hello
   * asked for it more than once, the node may have heard of it by another request: it stays given.
   */
  readonly cancel: (hello: string) => Promise<void>
  /** It rests from now on. */
  readonly free: (hello: string, now: Date) => Promise<'resting' | 'unknown'>
  readonly list: (now: Date) => Promise<readonly AddressEntry[]>
}

/** The WireGuard addresses of a registry. Throws RangeError for a pool that cannot be. */
export function addressesOf(database: Database, pool = defaultPool): Addresses {
  const range = rangeOf(pool)
  return {
    allocate: (allocation, now) => allocate({ database, range }, allocation, now),
    confirm: async hello => ((await decide(database, confirming(hello))) === 1 ? 'confirmed' : 'unknown'),
    keptFor: async hello => {
      const held = await find(database, sha256Hex.parse(hello))
      return held === undefined ? undefined : formatIpv4(held.address)
    },
    cancel: async hello => {
      await decide(database, [
        'DELETE FROM addresses WHERE hello = :hello AND asks = 1 AND free_from IS NOT NULL',
        { hello: sha256Hex.parse(hello) },
      ])
    },
    free: async (hello, now) => {
      await decide(database, freeing(hello, now))
      return (await find(database, hello)) === undefined ? 'unknown' : 'resting'
    },
    list: now => list(database, now),
  }
}

/** Lets the address of a hello rest from now on; what rests already does not begin anew. May be repeated. */
export function freeing(hello: string, now: Date): Statement {
  return [
    `UPDATE addresses SET free_from = :freeFrom
     WHERE hello = :hello AND (free_from IS NULL OR free_from > :freeFrom)`,
    { hello: sha256Hex.parse(hello), freeFrom: later(now, restDays * dayMs) },
  ]
}

function confirming(hello: string): Statement {
  return ['UPDATE addresses SET free_from = NULL WHERE hello = :hello', { hello: sha256Hex.parse(hello) }]
}

type Range = { readonly first: number; readonly last: number; readonly reserved: readonly number[] }

function rangeOf({ network, prefix, reserved }: Pool): Range {
  const base = parseIpv4(network) ?? NaN
  const size = 2 ** (32 - prefix)
  if (!(Number.isInteger(prefix) && prefix >= 16 && prefix <= 30) || base % size !== 0)
    throw new RangeError('Cannot use pool: it is no network with a prefix of 16 to 30')
  if (reserved.length > 256) throw new RangeError('Cannot use pool: more than 256 addresses are reserved')
  return { first: base + 2, last: base + size - 2, reserved: reserved.map(one => numberOf(ipv4.parse(one))) }
}

async function allocate(
  { database, range }: { readonly database: Database; readonly range: Range },
  allocation: Allocation,
  now: Date,
): Promise<string | undefined> {
  const hello = sha256Hex.parse(allocation.hello)
  const until = new Date(deadline(allocation.until, now))
  const values = {
    hello,
    tokenHash: sha256Hex.parse(allocation.tokenHash),
    freeFrom: later(until, restDays * dayMs),
  }
  // Sent again after a lost answer it counts as two: then nothing is given back before its time.
  await database.execute([again(values), lowest({ ...values, now }, range)], { repeatable: true })
  const held = await find(database, hello)
  return held === undefined ? undefined : formatIpv4(held.address)
}

type Holder = { readonly hello: string; readonly tokenHash: string; readonly freeFrom: string }

/** A hello that comes again keeps what it has; a confirmed address is not touched. */
function again(values: Holder): Statement {
  return [
    `UPDATE addresses SET token_hash = :tokenHash, free_from = :freeFrom, asks = asks + 1
     WHERE hello = :hello AND free_from IS NOT NULL`,
    values,
  ]
}

/**
 * Finds the lowest free address and takes it, in one statement: two at once get two. An address is free when nobody
 * has it or its rest is over, and no member has it, nor had it until a short while ago: of the genesis and of members
 * that came with a copy of the records, nobody asked for one here. The row of its last holder is replaced.
 */
function lowest(
  { now, ...holder }: Holder & { readonly now: Date },
  { first, last, reserved }: Range,
): Statement {
  const values = { ...holder, now: formatTime(now), rested: later(now, -restDays * dayMs) }
  return [
    `WITH RECURSIVE pool (address) AS (
       SELECT :first UNION ALL SELECT address + 1 FROM pool WHERE address < :last
     )
     INSERT INTO addresses (address, hello, token_hash, free_from, asks)
     SELECT min(pool.address), :hello, :tokenHash, :freeFrom, 1 FROM pool
     WHERE NOT EXISTS (SELECT 1 FROM addresses WHERE hello = :hello)
       AND pool.address NOT IN (SELECT value FROM json_each(:reserved))
       AND NOT EXISTS (
         SELECT 1 FROM addresses AS held
         WHERE held.address = pool.address AND (held.free_from IS NULL OR held.free_from > :now)
       )
       AND NOT EXISTS (
         SELECT 1 FROM records AS member
         WHERE member.address = pool.address AND NOT EXISTS (
           SELECT 1 FROM records AS gone
           WHERE gone.kind = 'departure' AND gone.name = member.name AND gone.at <= :rested
         )
       )
     HAVING min(pool.address) IS NOT NULL
     ON CONFLICT (address) DO UPDATE
     SET hello = excluded.hello, token_hash = excluded.token_hash, free_from = excluded.free_from, asks = 1`,
    { ...values, first, last, reserved: JSON.stringify(reserved) },
  ]
}

const rowSchema = z.object({
  address: z.int().min(0).max(0xffff_ffff),
  hello: sha256Hex,
  token_hash: sha256Hex,
  free_from: time.nullable(),
})
type Row = z.infer<typeof rowSchema>

async function find(database: Database, hello: string): Promise<Row | undefined> {
  const sql = 'SELECT * FROM addresses WHERE hello = :hello'
  return (await readRows(database, [sql, { hello }], rowSchema))[0]
}

async function list(database: Database, now: Date): Promise<readonly AddressEntry[]> {
  const rows = await readRows(database, ['SELECT * FROM addresses ORDER BY address', {}], rowSchema)
  return rows.map(({ address, hello, token_hash: tokenHash, free_from: freeFrom }) => ({
    address: formatIpv4(address),
    hello,
    tokenHash,
    ...(freeFrom === null ? { state: 'confirmed' } : { state: unconfirmed(freeFrom, now), freeFrom }),
  }))
}

function unconfirmed(freeFrom: string, now: Date): 'given' | 'resting' {
  return freeFrom > later(now, restDays * dayMs) ? 'given' : 'resting'
}

function numberOf(address: string): number {
  return parseIpv4(address) ?? NaN
}
