import { type EndpointRecord, isEndpointOf } from '../../protocol/cluster/endpoint.ts'
import {
  leaving,
  type Membership,
  mergeInSteps,
  present,
  type Refusal,
  recordsOf,
  restore,
} from '../../protocol/cluster/membership.ts'
import { type News, newsDigest } from '../../protocol/cluster/news.ts'
import { peersOf } from '../../protocol/cluster/peers.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import type { Peer } from '../../protocol/wireguard.ts'
import { inTurn } from '../system/in-turn.ts'
import { inSlices } from '../system/slices.ts'
import { eventsBetween } from './events.ts'

/**
 * What a node knows of its cluster while it runs: what its record says, and what it has heard since. A locked node
 * cannot write its record, and has to know all the same where the others are.
 */
export type ClusterView = {
  /** The members' node ids in order, this node's among them. */
  readonly members: () => readonly string[]
  readonly membership: () => Membership
  /** The WireGuard address of a member, also of one that leaves. */
  readonly addressOf: (node: string) => string | undefined
  /** How many milliseconds ago this node heard of a member; undefined where it knew of it when it started. */
  readonly heardMsAgo: (node: string) => number | undefined
  /** Who has left by itself a short while ago, by node id. */
  readonly leaving: (withinMs?: number) => readonly string[]
  /** `needed`: of those that leave, who still is a peer. */
  readonly peers: (needed?: readonly string[]) => readonly Peer[]
  /** All of it, to be passed on. */
  readonly news: () => News
  /** Of the news, in hex: who has the same has nothing to tell. Each change makes it one that was never there before. */
  readonly digest: () => string
  /**
   * Takes what proves itself and is new; one after the other, in slices, and all of one at once. When more than
   * `refusedMax` says then has been refused, the rest is not looked at.
   */
  readonly hear: (news: News, refusedMax?: () => number) => Promise<Heard>
  /** Where an operator says that a member is: until it says itself, and never passed on. False for no member. */
  readonly hint: (node: string, endpoint: string) => boolean
  /** A record with what was heard in it; a departure that it names and nobody has heard of yet stays. */
  readonly into: (record: NodeRecord) => NodeRecord
}

export type Heard = {
  readonly changed: boolean
  /** What does not prove itself: somebody invents, or is mistaken. */
  readonly refusals: readonly Refusal[]
  /** True where somebody is a member no more. */
  readonly isDeparture: boolean
  /** Who has joined, whom operators have held or let go, and who is a member no more: a line each, for the log. */
  readonly events: readonly string[]
}

/** What a view begins with. */
export type ViewOf = Pick<
  NodeRecord,
  'nodeId' | 'wireguard' | 'cluster' | 'authority' | 'membership' | 'endpoints'
>

/** `nowMs`: milliseconds of a clock that nobody sets. */
export function clusterView(record: ViewOf, nowMs = () => performance.now()): ClusterView {
  const { nodeId, wireguard, cluster, authority } = record
  let membership = restore(record.membership, { cluster, authority })
  const endpoints = new Map(record.endpoints.map(one => [one.node, one]))
  const hints = new Map<string, string>()
  const heardMs = new Map<string, number>()
  const news = (): News => ({ membership: recordsOf(membership), endpoints: [...endpoints.values()] })
  // Made once a change: it is asked for with every call.
  let digest: string | undefined
  const turn = inTurn()
  const hear = async (news: News, refusedMax = () => Infinity): Promise<Heard> => {
    const before = membership
    const isEnough = (refused: number) => refused > 0 && refused >= refusedMax()
    const merged = await inSlices(mergeInSteps(before, news.membership), isEnough)
    const { membership: next, refusals, passedOver } = merged
    const { newer: moved, refusals: forged } = await inSlices(
      newerOf(news.endpoints, { membership: next, passedOver, endpoints, cluster }),
      refused => isEnough(refusals.length + refused),
    )
    membership = next
    for (const node of next.members.keys()) if (!before.members.has(node)) heardMs.set(node, nowMs())
    for (const [node, one] of moved) {
      endpoints.set(node, one)
      hints.delete(node)
    }
    const changed = sizeOf(next) !== sizeOf(before) || moved.size > 0
    if (changed) digest = undefined
    const isDeparture = next.departures.size > before.departures.size
    const events = eventsBetween(before, next)
    return { changed, refusals: [...refusals, ...forged], isDeparture, events }
  }
  return {
    members: () => present(membership).map(member => member.nodeId),
    membership: () => membership,
    addressOf: node => {
      const isEvicted = membership.departures.get(node)?.kind === 'evicted'
      return isEvicted ? undefined : membership.members.get(node)?.address
    },
    heardMsAgo: node => {
      const atMs = heardMs.get(node)
      return atMs === undefined ? undefined : nowMs() - atMs
    },
    leaving: withinMs => leaving(membership, new Date(), withinMs).map(member => member.nodeId),
    peers: (needed = []) =>
      peersOf({
        ...{ nodeId, wireguard, membership },
        endpoints: [...endpoints.values(), ...listed(hints)],
        leaving: leaving(membership, new Date()).filter(member => needed.includes(member.nodeId)),
      }),
    news,
    digest: () => (digest ??= newsDigest(news())),
    hear: (news, refusedMax) => turn(() => hear(news, refusedMax)),
    hint: (node, endpoint) => {
      const isMember = present(membership).some(member => member.nodeId === node)
      if (isMember) hints.set(node, endpoint)
      return isMember
    },
    into: record => {
      const { membership: heard, endpoints: places } = news()
      const unheard = record.membership.departures.filter(one => !membership.departures.has(one.node))
      const departures = [...heard.departures, ...unheard]
      return { ...record, membership: { ...heard, departures }, endpoints: places }
    },
  }
}

/** A membership only grows, so that its size, its orders and the numbers in it say whether it is another. */
function sizeOf({ members, departures, holds, trust }: Membership): string {
  const orders = [...holds.values()].map(({ signed }) => signed.text)
  return [members.size, departures.size, trust.number, ...orders].join(' ')
}

function listed(hints: ReadonlyMap<string, string>): readonly Pick<EndpointRecord, 'node' | 'endpoint'>[] {
  return [...hints].map(([node, endpoint]) => ({ node, endpoint }))
}

type Known = {
  readonly membership: Membership
  readonly passedOver: ReadonlySet<string>
  readonly endpoints: ReadonlyMap<string, EndpointRecord>
  readonly cluster: string
}

type Moves = {
  /** By node, of each the newest. */
  readonly newer: ReadonlyMap<string, EndpointRecord>
  readonly refusals: readonly Refusal[]
}

/** In steps of one record, each with how many were refused so far; who answers true has had enough. */
function* newerOf(records: readonly EndpointRecord[], known: Known): Generator<number, Moves, boolean> {
  const newer = new Map<string, EndpointRecord>()
  const refusals: Refusal[] = []
  for (const one of records) {
    const { node, number } = one
    const before = newer.get(node) ?? known.endpoints.get(node)
    // Who passes on an old one, or one of a node that is gone, has not heard of the newer yet: that is no refusal.
    const isOld = before !== undefined && before.number >= number
    const isGone = known.membership.departures.has(node) || known.passedOver.has(node)
    if (!isOld && !isGone) {
      const why = whyNot(one, known)
      if (why === undefined) newer.set(node, one)
      else refusals.push({ what: `endpoint of ${node}`, why: `Cannot accept endpoint: ${why}` })
    }
    if (!(yield refusals.length)) continue
    refusals.push({ what: 'the rest', why: 'too much was refused before' })
    break
  }
  return { newer, refusals }
}

/** Undefined for a record that the node itself has made. */
function whyNot(record: EndpointRecord, { membership, cluster }: Known): string | undefined {
  const member = membership.members.get(record.node)
  if (member === undefined) return 'nobody knows this node'
  return isEndpointOf(record, { hello: member.hello, cluster }) ? undefined : 'the node did not sign it'
}
