import { createHash } from 'node:crypto'
import * as z from 'zod'
import { parseIpv4 } from '../../../protocol/ipv4.ts'
import { canonicalText } from '../../../protocol/canonical.ts'
import { type Departure, departureSchema } from '../../../protocol/cluster/departure.ts'
import { type MemberRecord, memberRecordSchema } from '../../../protocol/cluster/member.ts'
import { type MembershipRecords, noMembers } from '../../../protocol/cluster/membership.ts'
import { parseAppointment } from '../../../protocol/cluster/trust.ts'
import { formatTime, fromBase64url, type SignedText, signedTextSchema } from '../../../protocol/fields.ts'
import { nodeIdOf } from '../../../protocol/hello.ts'
import { type Database, readRows, type Statement } from './database.ts'

/** One record of a cluster's membership, as a row holds it. */
export type Entry =
  | { readonly kind: 'appointment'; readonly value: SignedText }
  | { readonly kind: 'member'; readonly value: MemberRecord }
  | { readonly kind: 'departure'; readonly value: Departure }
  | { readonly kind: 'hold'; readonly value: SignedText }
  /** Who is gone, with whose departure alone its record counts: meanwhile another has its address or WireGuard key. */
  | { readonly kind: 'gone'; readonly value: Gone }

export type Gone = { readonly member: MemberRecord; readonly departure: Departure }

/** As records that are judged: this one alone. */
export function recordsWith({ kind, value }: Entry): MembershipRecords {
  switch (kind) {
    case 'appointment':
      return { ...noMembers, appointment: value }
    case 'member':
      return { ...noMembers, members: [value] }
    case 'departure':
      return { ...noMembers, departures: [value] }
    case 'hold':
      return { ...noMembers, holds: [value] }
    case 'gone':
      return { members: [value.member], departures: [value.departure] }
  }
}

/** Appends an entry that was checked, unless something was appended behind `seen`, the last change that it was checked with. */
export function appending(entry: Entry, seen: number, now: Date): Statement {
  return [
    `INSERT INTO records (sequence, kind, name, address, body, at)
     SELECT :sequence, :kind, :name, :address, :body, :at
     WHERE (SELECT coalesce(max(sequence), 0) FROM records) = :seen`,
    {
      ...{ sequence: seen + 1, seen, kind: storedAs(entry), at: formatTime(now) },
      ...{ name: nameOf(entry), address: addressOf(entry), body: canonicalText(entry.value) },
    },
  ]
}

/** Who is gone is a departure that brings its member along: of a node there is one. */
function storedAs({ kind }: Entry): Exclude<Entry['kind'], 'gone'> {
  return kind === 'gone' ? 'departure' : kind
}

// A record has up to 2 KB; a page of them stays far below what a reply may have.
const pageRows = 128

/** The next rows behind this one; without entry where the row is not what a gateway wrote. */
export async function readEntries(
  database: Database,
  after: number,
): Promise<{ readonly sequence: number; readonly entry: Entry | undefined }[]> {
  const sql =
    'SELECT sequence, kind, body FROM records WHERE sequence > :after ORDER BY sequence LIMIT :pageRows'
  const rows = await readRows(database, [sql, { after, pageRows }], rowSchema)
  return rows.map(({ sequence, kind, body }) => ({ sequence, entry: parseEntry(kind, body) }))
}

const rowSchema = z.object({ sequence: z.int().min(1), kind: z.string(), body: z.string() })

const goneSchema = z.strictObject({ member: memberRecordSchema, departure: departureSchema })
const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('appointment'), value: signedTextSchema }),
  z.strictObject({ kind: z.literal('member'), value: memberRecordSchema }),
  z.strictObject({ kind: z.literal('departure'), value: departureSchema }),
  z.strictObject({ kind: z.literal('hold'), value: signedTextSchema }),
])

function parseEntry(kind: string, body: string): Entry | undefined {
  try {
    const value: unknown = JSON.parse(body)
    const gone = kind === 'departure' ? goneSchema.safeParse(value).data : undefined
    return gone === undefined ? entrySchema.safeParse({ kind, value }).data : { kind: 'gone', value: gone }
  } catch {
    return undefined
  }
}

/** What can be there once: a node as a member, its departure, a number of the authority's, the text of a hold. */
function nameOf(entry: Entry): string {
  switch (entry.kind) {
    case 'appointment':
      return String(parseAppointment(entry.value.text).number)
    case 'member':
      return nodeIdOf(fromBase64url(entry.value.hello.identity))
    case 'departure':
      return entry.value.node
    case 'gone':
      return entry.value.departure.node
    case 'hold':
      return createHash('sha256').update(entry.value.text).digest('hex')
  }
}

function addressOf(entry: Entry): number | null {
  return entry.kind === 'member' ? (parseIpv4(entry.value.address) ?? null) : null
}
