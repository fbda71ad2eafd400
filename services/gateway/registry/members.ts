import type { Departure } from '../../../protocol/cluster/departure.ts'
import {
  emptyMembership,
  type Membership,
  type MembershipRecords,
  membershipSchema,
  merge,
  type Refusal,
} from '../../../protocol/cluster/membership.ts'
import { nodeOf, passedOver, without } from '../../../protocol/cluster/rivals.ts'
import { helloHash } from '../../../protocol/hello.ts'
import { freeing } from './addresses.ts'
import type { Database, Statement } from './database.ts'
import { appending, type Entry, readEntries, recordsWith } from './member-entries.ts'

export type Members = {
  /**
   * Stores what is new and what an agent would accept; of the rest it says why not. What is known is no refusal.
   * Throws ZodError for a wrong form.
   */
  readonly add: (records: MembershipRecords, now: Date) => Promise<readonly Refusal[]>
  /** All that is known now, checked. */
  readonly membership: () => Promise<Membership>
}

type Known = {
  /** Of the last row that was judged. */
  readonly sequence: number
  readonly membership: Membership
}

/**
 * The members of a cluster, as records that can only be added to. They prove themselves: the registry carries them, and
 * judges them as agents do. What was judged is kept in memory, for it never changes; all else is read anew.
 */
export function membersOf(database: Database, of: Parameters<typeof emptyMembership>[0]): Members {
  let known: Known = { sequence: 0, membership: emptyMembership(of) }
  const catchUp = async (): Promise<Known> => {
    const newest = await readAfter(database, known)
    // Another call may have come further meanwhile.
    if (newest.sequence > known.sequence) known = newest
    return known
  }
  return {
    add: async (records, now) => {
      const refusals: Refusal[] = []
      const known = await catchUp()
      const parsed = membershipSchema.parse(records)
      const wanted = without(passedOver(known.membership, parsed), parsed)
      const append = (entry: Entry) => addOne({ database, catchUp }, entry, now)
      for (const entry of inOrder(wanted, known)) {
        const refused = await append(entry)
        const gone = refused.length > 0 ? goneOf(entry, wanted) : undefined
        refusals.push(...(gone !== undefined && (await append(gone)).length === 0 ? [] : refused))
      }
      return refusals
    },
    membership: async () => (await catchUp()).membership,
  }
}

/** What the database has beyond what is known. A row that no agent would accept counts for nothing. */
async function readAfter(database: Database, known: Known): Promise<Known> {
  let { sequence, membership } = known
  for (;;) {
    const page = await readEntries(database, sequence)
    for (const row of page) {
      sequence = row.sequence
      if (row.entry === undefined) continue
      const next = merge(membership, recordsWith(row.entry))
      if (next.refusals.length === 0) membership = next.membership
    }
    if (page.length === 0) return { sequence, membership }
  }
}

/**
 * Appends behind the last change that was judged, or not at all: when another gateway was faster, the record is judged
 * anew with what that one added. So of two that exclude each other one gets in. Ends when there is nothing new.
 */
async function addOne(
  { database, catchUp }: { readonly database: Database; readonly catchUp: () => Promise<Known> },
  entry: Entry,
  now: Date,
): Promise<readonly Refusal[]> {
  for (;;) {
    const { sequence, membership } = await catchUp()
    const next = merge(membership, recordsWith(entry))
    if (next.refusals.length > 0 || !hasNews(membership, next.membership)) return next.refusals
    const after = vacating(membership, entry, now)
    await database.execute([appending(entry, sequence, now), ...after], { repeatable: true })
  }
}

/** The departure is proved, whether or not its record gets in at the first try: its address rests from now on. */
function vacating({ members }: Membership, { kind, value }: Entry, now: Date): Statement[] {
  const departed = kind === 'departure' ? members.get(value.node) : kind === 'gone' ? value.member : undefined
  return departed === undefined ? [] : [freeing(helloHash(departed.hello), now)]
}

function hasNews(before: Membership, after: Membership): boolean {
  return (
    before.trust.number !== after.trust.number ||
    before.members.size !== after.members.size ||
    before.departures.size !== after.departures.size ||
    [...after.holds].some(([node, { signed }]) => before.holds.get(node)?.signed.text !== signed.text)
  )
}

/** A member that is refused by itself, with its departure where that came as well. */
function goneOf({ kind, value }: Entry, { departures }: MembershipRecords): Entry | undefined {
  if (kind !== 'member') return undefined
  const departure = departures.find(one => one.node === nodeOf(value))
  return departure && { kind: 'gone', value: { member: value, departure } }
}

/** As `merge` takes them: the departure of a known member frees the address of a new one, all else comes after its member. */
function inOrder(records: MembershipRecords, { membership }: Known): Entry[] {
  const { appointment, members, departures, holds = [] } = records
  const departing = departures.map((value): Entry & { kind: 'departure' } => ({ kind: 'departure', value }))
  const isKnown = ({ value }: { readonly value: Departure }) => membership.members.has(value.node)
  return [
    ...(appointment === undefined ? [] : [{ kind: 'appointment', value: appointment } as const]),
    ...departing.filter(isKnown),
    ...members.map((value): Entry => ({ kind: 'member', value })),
    ...departing.filter(one => !isKnown(one)),
    ...holds.map((value): Entry => ({ kind: 'hold', value })),
  ]
}
