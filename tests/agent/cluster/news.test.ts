import t from 'tap'
import { spreadNews } from '../../../agent/cluster/spread.ts'
import { type ClusterView, clusterView } from '../../../agent/cluster/view.ts'
import type { Ask } from '../../../agent/shares/ask.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import type { MemberRecord } from '../../../protocol/cluster/member.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import type { News } from '../../../protocol/cluster/news.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  newWallet,
} from '../../protocol/cluster/sample.ts'

const nodes = [newNode(), newNode(), newNode(), newNode()]
const [first, second, third, fourth] = nodes
const records: MemberRecord[] = nodes.map((node, at) =>
  at === 0 ? genesisRecord({ node }) : joinRecord({ node, address: `10.0.0.${at + 1}` }),
)

function viewOf(at: number, known: readonly number[]): ClusterView {
  const members = known.flatMap(one => records[one] ?? [])
  const wireguard = { address: `10.0.0.${at + 1}`, prefix: 24, listenPort: 51_820, peers: [] }
  return clusterView({
    nodeId: nodes[at]?.nodeId ?? '',
    cluster,
    authority: authority.address,
    wireguard,
    membership: { members, departures: [] },
    endpoints: [],
  } as unknown as NodeRecord)
}

const endpoint = (at: number, number: number, host = '192.0.2.9') =>
  signEndpoint(
    { cluster, node: nodes[at]?.nodeId ?? '', number, endpoint: `${host}:51820` },
    nodes[at]?.keys.identity.privateKey ?? Buffer.alloc(32),
  )
const moved = (...endpoints: News['endpoints']): News => ({ membership: noMembers, endpoints })
const joined = (...members: MemberRecord[]): News => ({
  membership: { members, departures: [] },
  endpoints: [],
})

t.test('clusterView() takes what proves itself, once, and refuses the rest with the reason', async t => {
  const view = viewOf(0, [0, 1])
  const news = joined(...records.slice(2, 3))
  t.match(view.hear(news), { changed: true, refusals: [] })
  t.match(view.hear(news), { changed: false, refusals: [] })
  t.equal(view.addressOf(third?.nodeId ?? ''), '10.0.0.3')
  const invented = view.hear(joined(joinRecord({ operator: newWallet(), address: '10.0.0.7' })))
  t.match(invented, { changed: false, refusals: [{ why: /no operator/ }] })
  t.same(view.members().length, 3)
})

t.test('clusterView() follows a node to where it says it is, and nobody else says so', async t => {
  const view = viewOf(0, [0, 1])
  const where = () => view.peers()[0]?.endpoint
  t.equal(view.hear(moved(endpoint(1, 5))).changed, true)
  t.equal(where(), '192.0.2.9:51820')
  t.equal(view.hear(moved(endpoint(1, 4, '192.0.2.10'))).changed, false, 'an older one')
  t.equal(view.hear(moved({ ...endpoint(1, 9), endpoint: '192.0.2.66:51820' })).changed, false, 'altered')
  t.equal(view.hear(moved(endpoint(3, 1))).changed, false, 'of nobody who is known')
  t.equal(view.hear(moved(endpoint(1, 6, '192.0.2.10'))).changed, true)
  t.equal(where(), '192.0.2.10:51820')
})

/** Nodes that call each other's `hear`; `cut` are those that nobody reaches. */
function cable(views: ReadonlyMap<string, ClusterView>, cut: Set<string>) {
  const calls: string[] = []
  const ask = (own: string): Ask =>
    (async (node: string, { body }: { body?: object }) => {
      calls.push(`${own} → ${node}`)
      const view = views.get(node)
      if (view === undefined || cut.has(node) || cut.has(own)) throw new Error('no route')
      await spreads.get(node)?.hear(structuredClone(body) as News, own)
      return structuredClone(view.news())
    }) as Ask
  const log: string[] = []
  const changes: string[] = []
  const spreads = new Map(
    [...views].map(([own, view]) => {
      const onChange = () => Promise.resolve(void changes.push(own))
      const spread = spreadNews({
        view,
        own,
        ask: ask(own),
        onChange,
        log: line => log.push(line),
        random: () => 0,
      })
      return [own, spread] as const
    }),
  )
  return { spreads, calls, log, changes }
}

t.test('a member that one node hears of is known to all after one round, and then all is quiet', async t => {
  const ids = [first, second, third].map(node => node?.nodeId ?? '')
  const views = new Map(ids.map((id, at) => [id, viewOf(at, [0, 1, 2])]))
  const { spreads, calls, changes } = cable(views, new Set())
  for (const spread of spreads.values()) await spread.round()
  await spreads.get(ids[0] ?? '')?.hear(joined(...records.slice(3)), 'a gateway')
  await spreads.get(ids[0] ?? '')?.round()
  for (const view of views.values()) t.ok(view.members().includes(fourth?.nodeId ?? ''))
  t.same(new Set(changes), new Set(ids))
  for (const spread of spreads.values()) await spread.round()
  const settled = calls.length
  for (const spread of spreads.values()) await spread.round()
  t.same(
    calls.slice(settled).filter(call => !call.endsWith(fourth?.nodeId ?? '')),
    [],
    'only who cannot be reached is asked again',
  )
})

t.test('who was away is told when it is back', async t => {
  const ids = [first, second].map(node => node?.nodeId ?? '')
  const views = new Map(ids.map((id, at) => [id, viewOf(at, [0, 1])]))
  const cut = new Set(ids.slice(1))
  const { spreads } = cable(views, cut)
  const inTouch = () => spreads.get(ids[0] ?? '')?.inTouch()
  views.get(ids[0] ?? '')?.hear(moved(endpoint(0, 3)))
  await spreads.get(ids[0] ?? '')?.round()
  t.equal(inTouch(), false)
  cut.clear()
  await spreads.get(ids[0] ?? '')?.round()
  t.equal(inTouch(), true)
  t.equal(views.get(ids[1] ?? '')?.peers()[0]?.endpoint, '192.0.2.9:51820')
})

t.test('what is refused is in the log, with who sent it', async t => {
  const views = new Map([[first?.nodeId ?? '', viewOf(0, [0, 1])]])
  const { spreads, log, changes } = cable(views, new Set())
  const invented = joined(joinRecord({ operator: newWallet(), address: '10.0.0.7' }))
  await spreads.get(first?.nodeId ?? '')?.hear(invented, second?.nodeId ?? '')
  t.match(log, [/refused from n\w+: member at 10\.0\.0\.7: .*no operator/])
  t.same(changes, [])
})
