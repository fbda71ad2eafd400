import t from 'tap'
import { carryOut } from '../../../agent/node/acts.ts'
import { eraseDeparted } from '../../../agent/node/guardian.ts'
import { sharesStatus } from '../../../agent/node/share-status.ts'
import type { Node } from '../../../agent/node/serve.ts'
import { composeEviction, type Eviction } from '../../../protocol/cluster/departure.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import type { Opening } from '../../../protocol/shares/opening.ts'
import {
  authority,
  cluster,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
} from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'

function setUp(count: number) {
  const side = memberNode(count)
  const ids = side.nodes.map(one => one.nodeId)
  const order = (node: string, changes: Partial<Eviction> = {}, by = authority) => {
    const facts = { cluster, node, force: 'no', issued: formatTime(new Date()), ...changes } as const
    return signedBy(by, composeEviction(facts))
  }
  const evict = (at: number, changes: Partial<Eviction> = {}, by = authority) =>
    carryOut(side.node, { action: 'evict', order: order(ids[at] ?? '', changes, by) })
  return { ...side, ids, order, evict }
}

/** A way over these holders, of which three open it. */
function shares(holders: readonly string[]): Opening {
  const listed = holders.map((node, at) => ({ node, x: at + 1, salt: 'A'.repeat(22), hash: 'A'.repeat(43) }))
  return {
    kind: 'shares',
    keyslot: 1,
    epoch: { ...newEpochId(1), threshold: 3, made: '2026-11-27T08:00:00Z', holders: listed },
  }
}

t.test('an eviction is taken, said, and stored', async t => {
  const { node, ids, evict, log, did } = setUp(3)
  t.same(await evict(2), { status: 'evicted', node: ids[2] })
  t.same(node.view.members(), ids.slice(0, 2).toSorted())
  t.equal(log.at(-1), `cluster: ${ids[2]} was evicted by an operator`)
  t.same(did, ['news'])
  t.match(node.view.into(node.record).membership.departures, [{ node: ids[2] }])
  t.same(await evict(2), { status: 'evicted', node: ids[2] }, 'once more changes nothing')
  t.same(did, ['news'])
})

const refused: readonly (readonly [string, (set: ReturnType<typeof setUp>) => Promise<unknown>, number])[] = [
  ['nobody who signed', ({ node }) => carryOut(node, { action: 'evict' }), 403],
  ['a stranger', ({ evict }) => evict(1, {}, newWallet()), 403],
  ['a stranger who forces it', ({ evict }) => evict(1, { force: 'yes' }, newWallet()), 403],
  ['another cluster', ({ evict }) => evict(1, { cluster: '0b'.repeat(16) }), 403],
  [
    'a node that is none of it',
    ({ node, order }) => carryOut(node, { action: 'evict', order: order(newNode().nodeId) }),
    404,
  ],
  ['a clock that is ahead', ({ evict }) => evict(1, { issued: '2140-01-01T00:00:00Z', force: 'yes' }), 409],
  [
    'another text',
    ({ node }) => carryOut(node, { action: 'evict', order: signedBy(authority, 'OramaOS order v1') }),
    400,
  ],
]
for (const [why, act, status] of refused)
  t.test(`refused with ${status}: ${why}`, async t => {
    const set = setUp(3)
    await t.rejects(act(set), { name: 'HttpError', status })
    t.same([set.node.view.members().length, set.did], [3, []])
  })

t.test('one after the other until some node would have too few holders; then only by force', async t => {
  const { node, ids, evict } = setUp(7)
  for (const at of [6, 5, 4]) await evict(at)
  const refusal = await evict(3).catch((error: unknown) => error as Error)
  t.match(refusal, { name: 'HttpError', status: 409, message: /too few would hold the shares of n/ })
  t.match(refusal, { message: new RegExp(ids[1] ?? '') }, 'names who depends on it')
  t.equal(node.view.members().length, 4)
  await evict(3, { force: 'yes' })
  t.equal(node.view.members().length, 3)
})

const ages = [
  ['minutes ago are not shared anew yet', 60_000, false],
  ['long ago have been shared anew since', 3_600_000, true],
] as const
for (const [what, ageMs, isTaken] of ages)
  t.test(`the shares of nodes that went ${what}`, async t => {
    // Of eleven guardians four are needed, of the four that are left three.
    const { evict, node } = setUp(12)
    const issued = formatTime(new Date(Date.now() - ageMs))
    for (const at of [11, 10, 9, 8, 7, 6, 5]) await evict(at, { issued, force: 'yes' })
    if (isTaken) await evict(4)
    else await t.rejects(evict(4), { name: 'HttpError', message: /too few/ })
    t.equal(node.view.members().length, isTaken ? 4 : 5)
  })

t.test(
  'those of whom the node has just heard hold nothing yet, whenever their grants were issued',
  async t => {
    const { evict, node } = setUp(6)
    const members = [7, 8, 9, 10, 11, 12].map(at => joinRecord({ address: `10.0.0.${at}` }))
    await node.view.hear({ membership: { members, departures: [] }, endpoints: [] })
    for (const at of [5, 4]) await evict(at)
    await t.rejects(evict(3), { name: 'HttpError', status: 409, message: /too few would hold/ })
  },
)

t.test('the own epochs count as they are: both of them, and only holders', async t => {
  const { node, ids, evict } = setUp(5)
  const [own = '', ...others] = ids
  const gone = [newNode().nodeId, newNode().nodeId]
  const next = { ...shares([...others.slice(0, 3), ...gone]), keyslot: 2 }
  node.record = { ...node.record, openings: { current: shares(others), next } }
  await t.rejects(evict(1), { name: 'HttpError', message: new RegExp(`shares of ${own}$`) })
  await evict(4)
  t.equal(node.view.members().length, 4, 'who holds none of the next is not needed for it')
})

t.test('a cluster that never had six members has given no share away', async t => {
  const { node, evict } = setUp(4)
  for (const at of [3, 2, 1]) await evict(at)
  t.equal(node.view.members().length, 1)
})

t.test('a node that hears of its own eviction says so, and keeps the peers of its owner alone', async t => {
  const { node, evict } = setUp(3)
  await evict(0)
  t.same(sharesStatus(node).trouble, [
    'an operator has evicted this node: no guardian gives its shares any more',
  ])
  t.same(node.view.peers(), node.record.wireguard.peers)
})

t.test('the shares of who is no member any more are erased, those of others stay', async t => {
  const { node, ids, evict, node: side } = setUp(3)
  const erased: string[] = []
  const row = { epochs: [newEpochId(1)], counter: 0 }
  const holdings = { [ids[1] ?? '']: row, [ids[2] ?? '']: row }
  const store: Node['store'] = {
    fault: () => undefined,
    holdings: () => holdings,
    keep: (of, epochs) => Promise.resolve(void erased.push(`${of} ${epochs.length}`)),
  }
  side.store = store
  await eraseDeparted(node)
  t.same(erased, [])
  await evict(2)
  await eraseDeparted(node)
  t.same(erased, [`${ids[2]} 0`])
  side.store = { ...store, fault: () => new Error('unreadable') }
  await eraseDeparted(node)
  t.equal(erased.length, 1, 'an unreadable token is left alone')
})
