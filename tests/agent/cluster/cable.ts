import { type Spread, spreadNews } from '../../../agent/cluster/spread.ts'
import { type ClusterView, clusterView } from '../../../agent/cluster/view.ts'
import type { Ask } from '../../../agent/shares/ask.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import type { MemberRecord } from '../../../protocol/cluster/member.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import type { News, NewsMessage } from '../../../protocol/cluster/news.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { authority, cluster, genesisRecord, joinRecord, newNode } from '../../protocol/cluster/sample.ts'

/** Nodes of one cluster, by number, in the order in which they are listed and called: the first is its genesis. */
export const nodes = Array.from({ length: 10 }, newNode).toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
export const ids = nodes.map(node => node.nodeId)
export const records: MemberRecord[] = nodes.map((node, at) =>
  at === 0 ? genesisRecord({ node }) : joinRecord({ node, address: `10.0.0.${at + 1}` }),
)

/** The view of a node whose disk has these members, of whom none is judged any more, and where these nodes are. */
export function viewOf(...of: Parameters<typeof recordOf>): ClusterView {
  return clusterView(recordOf(...of))
}

/** What such a view begins with. */
export function recordOf(
  at: number,
  known: readonly (number | MemberRecord)[],
  endpoints: News['endpoints'] = [],
): NodeRecord {
  const members = known.flatMap(one => (typeof one === 'number' ? (records[one] ?? []) : one))
  const wireguard = { address: `10.0.0.${at + 1}`, prefix: 24, listenPort: 51_820, peers: [] }
  return {
    nodeId: ids[at] ?? '',
    cluster,
    authority: authority.address,
    wireguard,
    membership: { members, departures: [] },
    endpoints,
  } as unknown as NodeRecord
}

export const endpoint = (at: number, number: number, host = '192.0.2.9') =>
  signEndpoint(
    { cluster, node: ids[at] ?? '', number, endpoint: `${host}:51820` },
    nodes[at]?.keys.identity.privateKey ?? Buffer.alloc(32),
  )
export const moved = (...endpoints: News['endpoints']): News => ({ membership: noMembers, endpoints })
export const joined = (...members: MemberRecord[]): News => ({
  membership: { members, departures: [] },
  endpoints: [],
})

/** What was said between two nodes, in order. */
export type Call = {
  readonly from: string
  readonly to: string
  readonly said: NewsMessage
  readonly answer: NewsMessage
}

export type Cable = {
  readonly spreads: ReadonlyMap<string, Spread>
  readonly calls: Call[]
  /** Who tried to call whom, also where nobody was reached. */
  readonly tried: string[]
  readonly log: string[]
  readonly changes: string[]
  /** The spread of the node with this number. */
  readonly at: (at: number) => Spread
  /** A round of each, one after the other; and what was said in it. */
  readonly round: () => Promise<readonly Call[]>
}

export type CableOf = {
  /** Those that nobody reaches. */
  readonly cut?: ReadonlySet<string>
  /** What these nodes answer where it is not what they should. */
  readonly lies?: ReadonlyMap<string, (said: NewsMessage) => NewsMessage | undefined>
  /** Right before an answer comes. */
  readonly meanwhile?: (call: Call) => Promise<unknown>
}

/** Nodes that call each other's `answer`. */
export function cable(views: ReadonlyMap<string, ClusterView>, of: CableOf = {}): Cable {
  const { cut, lies, meanwhile = () => Promise.resolve() } = of
  const [calls, tried, log, changes]: [Call[], string[], string[], string[]] = [[], [], [], []]
  const ask = (from: string): Ask =>
    (async (to: string, { body }: { body?: object }) => {
      tried.push(`${from} → ${to}`)
      const spread = spreads.get(to)
      if (spread === undefined || cut?.has(to) === true || cut?.has(from) === true)
        throw new Error('no route')
      const said = structuredClone(body) as NewsMessage
      const answer = lies?.get(to)?.(said) ?? (await spread.answer(said, from))
      const call = { from, to, said, answer: structuredClone(answer) }
      calls.push(call)
      await meanwhile(call)
      return call.answer
    }) as Ask
  const spreads = new Map(
    [...views].map(([own, view]) => {
      const onChange = () => Promise.resolve(void changes.push(own))
      const spread = spreadNews({
        ...{ view, own, ask: ask(own), onChange },
        ...{ log: line => log.push(line), random: () => 0, nowMs: () => 0 },
      })
      return [own, spread] as const
    }),
  )
  const round = async () => {
    const before = calls.length
    for (const spread of spreads.values()) await spread.round()
    return calls.slice(before)
  }
  const at = (number: number) => {
    const spread = spreads.get(ids[number] ?? '')
    if (spread === undefined) throw new RangeError(`Cannot find node ${number}`)
    return spread
  }
  return { spreads, calls, tried, log, changes, at, round }
}

/** The views of so many nodes, which all know each other. */
export function viewsOf(count: number, more: (at: number) => News['endpoints'] = () => []) {
  const all = ids.slice(0, count).map((_, at) => at)
  return new Map(all.map(at => [ids[at] ?? '', viewOf(at, all, more(at))]))
}

export const isWhole = ({ news }: NewsMessage) => news !== undefined

/** Those of the calls that carried all the news, one way or the other. */
export const whole = (calls: readonly Call[]) =>
  calls.filter(({ said, answer }) => isWhole(said) || isWhole(answer))
