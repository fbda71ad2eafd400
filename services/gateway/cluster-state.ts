import { ownerOf } from '../../protocol/cluster/member.ts'
import {
  emptyMembership,
  type Membership,
  type MembershipRecords,
  merge,
  present,
  recordsOf,
} from '../../protocol/cluster/membership.ts'
import type { News } from '../../protocol/cluster/news.ts'
import type { Trust } from '../../protocol/cluster/trust.ts'
import type { Agent } from './agent-client.ts'
import type { ClusterNode } from './choose-node.ts'
import { isAway } from './registry/database.ts'
import type { Registry } from './registry/registry.ts'

/** What a gateway knows of its cluster, between two looks at registry and agent. */
export type ClusterState = {
  readonly nodes: () => readonly ClusterNode[]
  readonly trust: () => Trust
  /** The last look has found no registry. */
  readonly isAlone: () => boolean
  /**
   * Looks now; what agent and registry lack of each other is handed over. Rejects where one does not answer; without the
   * registry the agent's members count all the same.
   */
  readonly refresh: () => Promise<void>
}

export type StateSources = {
  readonly of: Parameters<typeof emptyMembership>[0]
  readonly registry: Pick<Registry, 'members' | 'removeDeparted'>
  readonly agent: Pick<Agent, 'news' | 'tell' | 'met'>
  readonly now: () => Date
  /** Hears of records that do not prove themselves, once, and that the registry is away at the start. */
  readonly report: (error: Error) => void
}

/**
 * The members, as the registry's records prove them. Registry and agent each tell the other what it lacks; neither is
 * believed anything. Where too few of the registry's nodes run, those that wait for their owners have to be reached all
 * the same: then the members are those that the agent's records prove. Rejects where the agent does not answer.
 */
export async function openClusterState(sources: StateSources): Promise<ClusterState> {
  const ownerByNode = new Map<string, string>()
  const meet = meeting(sources)
  let membership = emptyMembership(sources.of)
  let nodes: readonly ClusterNode[] = []
  let isAlone = false
  const know = (newest: Membership) => {
    membership = newest
    nodes = listed(membership, ownerByNode)
  }
  const refresh = async () => {
    const news = await sources.agent.news()
    try {
      know(await meet(news))
      isAlone = false
    } catch (cause) {
      isAlone = isAway(cause)
      if (isAlone) know(merge(membership, news.membership).membership)
      throw cause
    }
  }
  await refresh().catch((cause: unknown) => {
    if (!isAway(cause)) throw cause
    sources.report(new Error('Cannot use the registry yet', { cause }))
  })
  return { nodes: () => nodes, trust: () => membership.trust, isAlone: () => isAlone, refresh }
}

/**
 * Hands over both ways what the other side lacks, and returns what the registry knows then. Where neither side has
 * learnt anything since the last time there is nothing to compare.
 */
function meeting({ registry, agent, now, report }: StateSources): (news: News) => Promise<Membership> {
  const heard = new Set<string>()
  let last: { readonly ofAgent: MembershipRecords; readonly known: Membership } | undefined
  let quiet = 0
  return async news => {
    const { membership: ofAgent } = news
    const before = await registry.members.membership()
    if (last?.ofAgent === ofAgent && last.known === before) {
      quiet += 1
      // Who was taken out of the registry's nodes, and started again before it was gone, is one of them again.
      if (quiet % lookAgainEvery === 0) await registry.removeDeparted([...before.departures.keys()])
      return before
    }
    const toRegistry = lacking(ofAgent, recordsOf(before))
    const known = isEmpty(toRegistry) ? before : await add(toRegistry)
    const toAgent = lacking(recordsOf(known), ofAgent)
    if (!isEmpty(toAgent)) await agent.tell({ membership: toAgent, endpoints: [] })
    // Also after a look that failed here, and where another gateway ended before it.
    if (known.departures.size !== last?.known.departures.size)
      await registry.removeDeparted([...known.departures.keys()])
    await agent.met(news)
    last = { ofAgent, known }
    return known
  }
  async function add(records: MembershipRecords): Promise<Membership> {
    for (const { what, why } of await registry.members.add(records, now()))
      once(heard, `${what}: ${why}`, report)
    return registry.members.membership()
  }
}

/** Looks without anything new: some minutes. */
const lookAgainEvery = 60

/** What the first has and the second has not. */
export function lacking(all: MembershipRecords, known: MembershipRecords): MembershipRecords {
  const members = new Set(known.members.map(one => one.signature))
  const departed = new Set(known.departures.map(one => one.node))
  const held = new Set((known.holds ?? []).map(one => one.text))
  const holds = (all.holds ?? []).filter(one => !held.has(one.text))
  const isNew = all.appointment !== undefined && all.appointment.text !== known.appointment?.text
  return {
    ...(isNew ? { appointment: all.appointment } : {}),
    members: all.members.filter(one => !members.has(one.signature)),
    departures: all.departures.filter(one => !departed.has(one.node)),
    ...(holds.length === 0 ? {} : { holds }),
  }
}

function isEmpty({ appointment, members, departures, holds = [] }: MembershipRecords): boolean {
  return [members, departures, holds].every(list => list.length === 0) && appointment === undefined
}

const heardMax = 256

function once(heard: Set<string>, line: string, report: (error: Error) => void): void {
  if (heard.has(line) || heard.size >= heardMax) return
  heard.add(line)
  report(new Error(`Cannot store record: ${line}`))
}

/** Whose wallet signed a grant takes milliseconds to find, and never changes. */
function listed(membership: Membership, ownerByNode: Map<string, string>): readonly ClusterNode[] {
  return present(membership).map(({ nodeId, address, record }) => {
    const owner = ownerByNode.get(nodeId) ?? ownerOf(record)
    ownerByNode.set(nodeId, owner)
    return { nodeId, address, owner }
  })
}
