import t from 'tap'
import { spreadNews } from '../../../agent/cluster/spread.ts'
import { type ClusterView, clusterView } from '../../../agent/cluster/view.ts'
import type { Ask } from '../../../agent/shares/ask.ts'
import { signLeaving } from '../../../protocol/cluster/departure.ts'
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
  const events = [`${third?.nodeId ?? ''} has joined at 10.0.0.3`]
  t.match(await view.hear(news), { changed: true, refusals: [], events })
  t.same((await view.hear(news)).events, [])
  t.match(await view.hear(news), { changed: false, refusals: [] })
  t.equal(view.addressOf(third?.nodeId ?? ''), '10.0.0.3')
  const invented = await view.hear(joined(joinRecord({ operator: newWallet(), address: '10.0.0.7' })))
  t.match(invented, { changed: false, refusals: [{ why: /no operator/ }] })
  t.same(view.members().length, 3)
})

t.test('clusterView() follows a node to where it says it is, and nobody else says so', async t => {
  const view = viewOf(0, [0, 1])
  const where = () => view.peers()[0]?.endpoint
  t.equal((await view.hear(moved(endpoint(1, 5)))).changed, true)
  t.equal(where(), '192.0.2.9:51820')
  t.equal((await view.hear(moved(endpoint(1, 4, '192.0.2.10')))).changed, false, 'an older one')
  t.equal(
    (await view.hear(moved({ ...endpoint(1, 9), endpoint: '192.0.2.66:51820' }))).changed,
    false,
    'altered',
  )
  t.equal((await view.hear(moved(endpoint(3, 1)))).changed, false, 'of nobody who is known')
  t.equal((await view.hear(moved(endpoint(1, 6, '192.0.2.10')))).changed, true)
  t.equal(where(), '192.0.2.10:51820')
})

const forged: readonly (readonly [string, News['endpoints'][number], RegExp])[] = [
  ['altered', { ...endpoint(1, 9), endpoint: '192.0.2.66:51820' }, /the node did not sign it/],
  ['renumbered', { ...endpoint(1, 9), number: 10 }, /the node did not sign it/],
  ['of another node', { ...endpoint(0, 9), node: second?.nodeId ?? '' }, /the node did not sign it/],
  ['of another cluster', { ...endpoint(1, 9), cluster: '0b'.repeat(16) }, /the node did not sign it/],
  ['of nobody who is known', endpoint(3, 9), /nobody knows this node/],
]
for (const [what, record, why] of forged)
  t.test(`an endpoint that is ${what} is a refusal, and those beside it count`, async t => {
    const view = viewOf(0, [0, 1])
    const { changed, refusals } = await view.hear(moved(record, endpoint(1, 5)))
    t.match(refusals, [{ what: `endpoint of ${record.node}`, why }])
    t.equal(refusals.length, 1)
    t.same([changed, view.peers()[0]?.endpoint], [true, '192.0.2.9:51820'])
  })

t.test('an endpoint that is old, known or of who is gone is no refusal: others pass it on', async t => {
  const view = viewOf(0, [0, 1])
  await view.hear(moved(endpoint(1, 5)))
  t.match(await view.hear(moved(endpoint(1, 4), endpoint(1, 5))), { changed: false, refusals: [] })
  const { nodeId, keys } = second ?? newNode()
  const gone = signLeaving({ cluster, node: nodeId, at: '2026-11-27T08:00:00Z' }, keys.lease.privateKey)
  await view.hear({ membership: { members: [], departures: [gone] }, endpoints: [] })
  t.match(await view.hear(moved(endpoint(1, 6))), { changed: false, refusals: [] })
})

t.test('of many forged endpoints few are looked at', async t => {
  const many = Array.from({ length: 100 }, (_, at) => ({ ...endpoint(1, 9), number: 10 + at }))
  const { refusals } = await viewOf(0, [0, 1]).hear(moved(...many), () => 3)
  t.same([refusals.length, refusals.at(-1)?.what], [4, 'the rest'])
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
  await views.get(ids[0] ?? '')?.hear(moved(endpoint(0, 3)))
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

t.test('news that come at the same time are taken one after the other, and none is lost', async t => {
  const view = viewOf(0, [0])
  const heard = await Promise.all([
    view.hear(joined(...records.slice(1, 2))),
    view.hear(joined(...records.slice(1, 3))),
    view.hear(moved(endpoint(2, 7), endpoint(2, 6, '192.0.2.10'))),
  ])
  t.same(
    heard.map(one => one.changed),
    [true, true, true],
  )
  t.equal(view.members().length, 3)
  t.same(
    view.news().endpoints.map(one => one.number),
    [7],
    'the newest of one node',
  )
})

t.test('what is judged is seen all at once, and others have their turn before', async t => {
  const view = viewOf(0, [0, 1])
  const many = Array.from({ length: 24 }, (_, at) => joinRecord({ address: `10.0.0.${at + 100}` }))
  const seen = new Set<number>()
  const look = setInterval(() => seen.add(view.members().length), 1)
  await view.hear(joined(...many))
  clearInterval(look)
  t.same([...seen], [2], 'timers ran meanwhile')
  t.equal(view.members().length, 26)
})

t.test(
  'who tells too much that is wrong is not heard for a minute, others are, and the log says so once',
  async t => {
    const clock = { nowMs: 0 }
    const view = viewOf(0, [0, 1])
    const log: string[] = []
    const spread = spreadNews({
      ...{
        view,
        own: first?.nodeId ?? '',
        onChange: () => Promise.resolve(),
        log: line => void log.push(line),
      },
      ...{ ask: () => Promise.reject(new Error('no route')), random: () => 0, nowMs: () => clock.nowMs },
    })
    const altered = records.slice(2, 3).map(one => ({ ...one, address: '10.0.0.99' }))
    const wrong = joined(...Array<MemberRecord[]>(40).fill(altered).flat())
    const { refusals } = await spread.hear(wrong, 'nliar')
    t.same([refusals.length, refusals.at(-1)?.what], [33, 'the rest'])
    await t.rejects(spread.hear(joined(...records.slice(2, 3)), 'nliar'), { name: 'HttpError', status: 429 })
    t.equal((await spread.hear(joined(...records.slice(2, 3)), 'nother')).changed, true)
    clock.nowMs = 59_999
    await t.rejects(spread.hear(joined(), 'nliar'), { name: 'HttpError' })
    clock.nowMs = 60_000
    t.equal((await spread.hear(joined(...records.slice(3)), 'nliar')).changed, true)
    t.equal(log.filter(line => line.includes('nothing is heard from nliar')).length, 1)
  },
)
