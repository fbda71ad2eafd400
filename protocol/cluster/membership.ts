import * as z from 'zod'
import { type SignedText, signedTextSchema } from '../fields.ts'
import { checkDeparture, departedMs, type Departure, departureSchema } from './departure.ts'
import { checkHold, outdoes, parseHold, readHold, type SignedHold } from './hold.ts'
import { checkMember, type Member, type MemberRecord, memberRecordSchema, readMember } from './member.ts'
import { checkPlace, checkUnused, nodeOf, passedOver, without } from './rivals.ts'
import { appoint, parseAppointment, soleAuthority, type Trust } from './trust.ts'

// Only ever grows: nodes and gateways pass it on in any order, as often as they like, and all end with the same.
// Who keeps something back delays, but invents nobody and removes nobody.

export const membersMax = 256

/** All that makes a cluster's members, as it is passed on and stored. */
export const membershipSchema = z.strictObject({
  appointment: signedTextSchema.optional(),
  members: z.array(memberRecordSchema).max(membersMax).readonly(),
  departures: z.array(departureSchema).max(membersMax).readonly(),
  /** Of each member the hold or release with the highest number, where there was one. */
  holds: z.array(signedTextSchema).max(membersMax).readonly().optional(),
})
export type MembershipRecords = z.infer<typeof membershipSchema>

export const noMembers: MembershipRecords = { members: [], departures: [] }

/** What a node knows, all of it checked. */
export type Membership = {
  readonly trust: Trust
  readonly appointment?: SignedText | undefined
  readonly members: ReadonlyMap<string, Member>
  readonly departures: ReadonlyMap<string, Departure>
  readonly holds: ReadonlyMap<string, SignedHold>
}

export type Refusal = { readonly what: string; readonly why: string }

/** Nothing known but whose signatures count. */
export function emptyMembership(of: Parameters<typeof soleAuthority>[0]): Membership {
  return { trust: soleAuthority(of), members: new Map(), departures: new Map(), holds: new Map() }
}

export type Merged = {
  readonly membership: Membership
  readonly refusals: readonly Refusal[]
  /** Nodes whose records were neither taken nor refused: see rivals.ts. */
  readonly passedOver: ReadonlySet<string>
}

/**
 * What is known after these records came. Each is judged by itself: a bad one is refused, with the reason, and the
 * others count. What is known already is not checked again, and never gives way: who comes with the address, key or
 * invite of a known member is refused, so that nobody is pushed out by a grant that claims to be older. Who comes with its
 * own departure takes no address or key from anybody.
 */
export function merge(known: Membership, records: MembershipRecords): Merged {
  const steps = mergeInSteps(known, records)
  for (;;) {
    const { done, value } = steps.next(false)
    if (done === true) return value
  }
}

/**
 * The same in steps of one record: many of them take seconds. Says after each how many were refused so far; who answers
 * true has had enough, and what was not looked at is refused as one.
 */
export function* mergeInSteps(
  known: Membership,
  records: MembershipRecords,
): Generator<number, Merged, boolean> {
  const refusals: Refusal[] = []
  const membership: Draft = {
    ...known,
    members: new Map(known.members),
    departures: new Map(known.departures),
    holds: new Map(known.holds),
  }
  const passed = passedOver(known, records)
  for (const [what, take] of judgements(membership, without(passed, records))) {
    try {
      take()
    } catch (cause) {
      refusals.push({ what, why: cause instanceof Error ? cause.message : String(cause) })
    }
    const isEnough = yield refusals.length
    if (!isEnough) continue
    refusals.push({ what: 'the rest', why: 'too much was refused before' })
    break
  }
  return { membership, refusals, passedOver: passed }
}

type Judgement = readonly [what: string, take: () => void]

function* judgements(draft: Draft, records: MembershipRecords): Generator<Judgement, void> {
  const judging = <R>(what: string, take: (draft: Draft, record: R) => void, record: R): Judgement => [
    what,
    () => {
      take(draft, record)
    },
  ]
  yield judging('appointment', takeAppointment, records.appointment)
  // First: a departure frees an address.
  const [ofKnown, ofOthers] = partition(records.departures, one => draft.members.has(one.node))
  for (const one of ofKnown) yield judging(`departure of ${one.node}`, takeDeparture, one)
  const departing = new Map(ofOthers.map(one => [one.node, one]))
  for (const record of records.members) {
    const departure = departing.get(nodeOf(record))
    yield judging(`member at ${record.address}`, takeMember, { record, departure })
  }
  for (const one of ofOthers) yield judging(`departure of ${one.node}`, takeDeparture, one)
  for (const one of records.holds ?? []) yield judging('hold', takeHold, one)
}

/** What a node knew when it wrote these records itself: nothing is verified, everything was when it came. */
export function restore(
  { appointment, members, departures, holds = [] }: MembershipRecords,
  of: Parameters<typeof soleAuthority>[0],
): Membership {
  const alone = soleAuthority(of)
  const trust =
    appointment === undefined ? alone : { ...alone, ...pickAppointed(parseAppointment(appointment.text)) }
  return {
    trust,
    appointment,
    members: new Map(members.map(record => readMember(record)).map(member => [member.nodeId, member])),
    departures: new Map(departures.map(departure => [departure.node, departure])),
    holds: new Map(holds.map(readHold).map(one => [one.hold.node, one])),
  }
}

function pickAppointed({
  number,
  operators,
}: ReturnType<typeof parseAppointment>): Pick<Trust, 'number' | 'operators'> {
  return { number, operators }
}

/** Who is a member now, by node id in order. */
export function present({ members, departures }: Membership): readonly Member[] {
  return [...members.values()]
    .filter(member => !departures.has(member.nodeId))
    .toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
}

/** So long a node that leaves may be needed by those that have their shares with it. */
const handOnMs = 30 * 60_000

/**
 * Who left by itself a short while ago: to some it may still be a guardian, until they have shared anew. Not who has the
 * address or WireGuard key of a member: as a peer it would take them.
 */
export function leaving(membership: Membership, now: Date, withinMs: number = handOnMs): readonly Member[] {
  const { members, departures } = membership
  const recent = [...departures.values()].flatMap(one => {
    const isRecent = Math.abs(now.getTime() - departedMs(one)) < withinMs
    return one.kind === 'left' && isRecent ? (members.get(one.node) ?? []) : []
  })
  if (recent.length === 0) return recent
  const taken = new Set(present(membership).flatMap(({ address, hello }) => [address, hello.wireguard]))
  return recent.filter(({ address, hello }) => !taken.has(address) && !taken.has(hello.wireguard))
}

/** True while an operator has the shares of this node held back. */
export function isHeld({ holds }: Membership, node: string): boolean {
  return holds.get(node)?.hold.action === 'hold'
}

/** As it is passed on and stored; what was checked reads back without refusals. */
export function recordsOf({ appointment, members, departures, holds }: Membership): MembershipRecords {
  return {
    ...(appointment === undefined ? {} : { appointment }),
    members: [...members.values()].map(one => one.record),
    departures: [...departures.values()],
    ...(holds.size === 0 ? {} : { holds: [...holds.values()].map(one => one.signed) }),
  }
}

type Draft = {
  trust: Trust
  appointment?: SignedText | undefined
  readonly members: Map<string, Member>
  readonly departures: Map<string, Departure>
  readonly holds: Map<string, SignedHold>
}

function takeAppointment(draft: Draft, signed: SignedText | undefined): void {
  if (signed === undefined || signed.text === draft.appointment?.text) return
  const trust = appoint(draft.trust, signed)
  if (trust === draft.trust) return
  draft.trust = trust
  draft.appointment = signed
}

function takeDeparture({ members, departures, trust }: Draft, departure: Departure): void {
  if (departures.has(departure.node)) return
  const member = members.get(departure.node)
  if (member === undefined) throw new RangeError('Cannot accept departure: nobody knows this node')
  checkDeparture(departure, member.hello, trust)
  departures.set(departure.node, departure)
}

/** An older one than is known is no refusal: who passes it on has not heard of the newer yet. */
function takeHold({ members, holds, trust }: Draft, signed: SignedText): void {
  const hold = parseHold(signed.text)
  if (!members.has(hold.node)) throw new RangeError('Cannot accept hold: nobody knows this node')
  const known = holds.get(hold.node)
  if (!outdoes({ hold, signed }, known)) return
  holds.set(hold.node, checkHold(signed, trust))
}

type Joining = { readonly record: MemberRecord; readonly departure: Departure | undefined }

function takeMember(draft: Draft, { record, departure }: Joining): void {
  const { members, departures, trust } = draft
  const same = members.get(nodeOf(record))
  // Of two records of who is gone each keeps the one that it heard first.
  if (same?.record.signature === record.signature || departures.has(same?.nodeId ?? '')) return
  if (same !== undefined)
    throw new RangeError(`Cannot accept member: ${same.nodeId} is known with another record`)
  if (members.size >= membersMax) throw new RangeError(`Cannot accept member: there are ${membersMax}`)
  const member = checkMember(record, trust)
  checkUnused(draft, member)
  // Who passes on a departure that does not hold is of another opinion on who is a member: then this is none here.
  if (departure === undefined) checkPlace(draft, member)
  else {
    checkDeparture(departure, member.hello, trust)
    departures.set(member.nodeId, departure)
  }
  members.set(member.nodeId, member)
}

function partition<T>(all: readonly T[], test: (one: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [all.filter(test), all.filter(one => !test(one))]
}
