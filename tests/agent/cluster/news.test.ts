import t from 'tap'
import { clusterView } from '../../../agent/cluster/view.ts'
import { signLeaving } from '../../../protocol/cluster/departure.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { type News, newsDigest } from '../../../protocol/cluster/news.ts'
import {
  authority,
  cluster,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
} from '../../protocol/cluster/sample.ts'
import { endpoint, joined, moved, nodes, recordOf, records, viewOf } from './cable.ts'

const [, second, third] = nodes

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

t.test('the digest is made once a change, however often it is asked for', async t => {
  let made = 0
  const counted = {
    ...endpoint(1, 5),
    get number() {
      made += 1
      return 5
    },
  }
  const view = viewOf(0, [0, 1], [counted])
  for (let at = 0; at < 3; at++) view.digest()
  t.equal(made, 1)
  await view.hear(joined(...records.slice(2, 3)))
  for (let at = 0; at < 3; at++) view.digest()
  t.equal(made, 2)
})

t.test('the digest is that of the news, after each change and after none', async t => {
  const view = viewOf(0, [0, 1])
  const seen = [view.digest()]
  const hears = async (news: News, changed: boolean) => {
    t.equal((await view.hear(news)).changed, changed)
    t.equal(view.digest(), newsDigest(view.news()))
    t.equal(seen.includes(view.digest()), !changed)
    seen.push(view.digest())
  }
  await hears(joined(...records.slice(2, 3)), true)
  await hears(joined(...records.slice(2, 3)), false)
  await hears(moved(endpoint(1, 5)), true)
  await hears(moved(endpoint(1, 4)), false)
  const facts = { cluster, node: second?.nodeId ?? '', action: 'hold', number: 1 } as const
  // Of two with one number all nodes choose alike: whoever had the other has to hear of it.
  for (const issued of ['2026-11-27T08:00:02Z', '2026-11-27T08:00:01Z']) {
    const holds = [signedBy(authority, composeHold({ ...facts, issued }))]
    await hears({ membership: { ...noMembers, holds }, endpoints: [] }, true)
  }
})

t.test(
  'clusterView() says how long ago it heard of a member, where that was not before its start',
  async t => {
    const clock = { ms: 1000 }
    const view = clusterView(recordOf(0, [0, 1]), () => clock.ms)
    const asked = () => [second, third].map(one => view.heardMsAgo(one?.nodeId ?? ''))
    t.same(asked(), [undefined, undefined])
    await view.hear(joined(...records.slice(0, 3)))
    clock.ms += 500
    await view.hear(joined(...records.slice(0, 3)))
    t.same(asked(), [undefined, 500], 'once more is not anew')
  },
)
