import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { ClusterView } from '../../../agent/cluster/view.ts'
import { composeEviction, type Departure, evicted, signLeaving } from '../../../protocol/cluster/departure.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import type { News } from '../../../protocol/cluster/news.ts'
import {
  authority,
  cluster,
  joinRecord,
  newNode,
  signedBy,
  type TestNode,
} from '../../protocol/cluster/sample.ts'
import { cable, endpoint, ids, joined, moved, viewsOf, whole } from './cable.ts'

// A member that lies tells one half of its cluster of one node, and the other half of another.

const [first = '', second = ''] = ids
const issued = '2026-11-27T08:00:00Z'
const evict = ({ nodeId: node }: TestNode) =>
  evicted(node, signedBy(authority, composeEviction({ cluster, node, force: 'no', issued })))
const leave = ({ nodeId: node, keys }: TestNode) =>
  signLeaving({ cluster, node, at: issued }, keys.lease.privateKey)
const gone = (...departures: Departure[]): News => ({
  membership: { members: [], departures },
  endpoints: [],
})

/** All that may be known of a node that joined. */
function told(node: TestNode, of: Parameters<typeof joinRecord>[0]): News {
  const { nodeId, keys } = node
  const hold = composeHold({ cluster, node: nodeId, action: 'hold', number: 1, issued })
  const where = { cluster, node: nodeId, number: 1, endpoint: '192.0.2.9:51820' }
  return {
    membership: {
      ...joined(joinRecord({ node, ...of })).membership,
      holds: [signedBy(authority, hold)],
    },
    endpoints: [signEndpoint(where, keys.identity.privateKey)],
  }
}

const digests = (views: ReadonlyMap<string, ClusterView>) =>
  new Set([...views.values()].map(view => view.digest())).size

const refusals = (log: readonly string[]) => log.filter(line => line.includes('refused'))

/** Two halves of one node each, of which each has been told of another, and the members that both began with. */
async function halves(of: (at: number) => Parameters<typeof joinRecord>[0]) {
  const rivals = [newNode(), newNode()] as const
  const views = viewsOf(2)
  for (const [at, node] of rivals.entries()) await views.get(ids[at] ?? '')?.hear(told(node, of(at)))
  const set = cable(views)
  const hear = (at: number, departure: Departure) => set.at(at).hear(gone(departure), 'an operator')
  return { rivals, views, set, hear }
}

const token = randomBytes(32)
const rows: readonly (readonly [string, (at: number) => Parameters<typeof joinRecord>[0]])[] = [
  ['invite', at => ({ token, address: `10.0.0.${at + 20}` })],
  ['address', () => ({ address: '10.0.0.20' })],
]
for (const [what, of] of rows)
  for (const ends of [
    [evict, evict],
    [leave, evict],
    [leave, leave],
  ] as const)
    t.test(`after both nodes of one ${what} ${ends.map(one => one.name).join(', ')} all is well`, async t => {
      const { rivals, views, set, hear } = await halves(of)
      await set.round()
      t.equal(digests(views), 2, 'each half refuses the node of the other')
      t.ok(refusals(set.log).length > 0)
      await hear(0, ends[0](rivals[0]))
      await set.round()
      await hear(1, ends[1](rivals[1]))
      for (let round = 0; round < 3; round++) await set.round()
      t.equal(digests(views), 1)
      for (const view of views.values()) t.same(view.members(), [first, second])
      const before = set.log.length
      await set.at(0).hear(moved(endpoint(0, 7)), 'itself')
      const calls = [...(await set.round()), ...(await set.round())]
      t.ok(whole(calls).length > 0, 'what comes later is told')
      t.same([digests(views), refusals(set.log.slice(before))], [1, []], 'and nothing is refused')
    })

t.test('where one of two with one address is gone, all have the other', async t => {
  const { rivals, views, set, hear } = await halves(() => ({ address: '10.0.0.20' }))
  await hear(0, evict(rivals[0]))
  for (let round = 0; round < 3; round++) await set.round()
  t.equal(digests(views), 1)
  for (const view of views.values()) t.same(view.members(), [first, second, rivals[1].nodeId].toSorted())
})

t.test('of 40 invites that were used twice nobody is muted, and a hold crosses', async t => {
  const views = viewsOf(2)
  for (let at = 0; at < 40; at++) {
    const invite = { token: randomBytes(32), address: `10.0.0.${at + 20}` }
    for (const view of views.values()) {
      const node = newNode()
      await view.hear(told(node, invite))
      await view.hear(gone(evict(node)))
    }
  }
  const set = cable(views)
  const hold = composeHold({ cluster, node: second, action: 'hold', number: 1, issued })
  const holds = [signedBy(authority, hold)]
  await set.at(0).hear({ membership: { members: [], departures: [], holds }, endpoints: [] }, 'an operator')
  await set.round()
  t.ok(views.get(second)?.membership().holds.has(second))
  t.same([digests(views), refusals(set.log)], [1, []])
})
