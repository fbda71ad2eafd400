import t from 'tap'
import { beginLeaving, hasLeft, leave } from '../../../agent/node/leave.ts'
import { changeRecord } from '../../../agent/node/records.ts'
import { composeEviction, evicted, signLeaving } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { authority, cluster, newNode, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { issued, setUp } from './leaving.ts'
import { closed, type Refusal, wrongOrders } from './order-rows.ts'

const forced = { arguments: { force: 'yes' } } as const
const others = ({ nodes }: ReturnType<typeof setUp>) =>
  nodes
    .slice(1)
    .map(one => one.nodeId)
    .toSorted()

t.test('a node leaves: stored first, then told to all, then it stops', async t => {
  const set = setUp(4)
  t.match(await set.take(), { status: 'leaving' })
  t.same(set.stored, [false, true], 'the number of the order, then the departure')
  await set.ended
  t.same(set.told.toSorted(), others(set))
  t.same(set.did, ['power-off'])
  t.ok(hasLeft(set.node.record))
})

t.test('a genesis alone leaves as well', async t => {
  const set = setUp(1)
  await set.take()
  await set.ended
  t.ok(hasLeft(set.node.record))
})

t.test('whoever cannot be told is not waited for longer than the others need', async t => {
  const set = setUp(4, [2])
  await set.take()
  await set.ended
  t.same([...new Set(set.told)], [set.nodes[2]?.nodeId])
  const seconds = (set.clock.ms - Date.parse(issued)) / 1000
  t.ok(seconds >= 29 && seconds <= 31, `${seconds} s`)
})

t.test('it waits until its gateway says that the registry has its departure', async t => {
  const set = setUp(2)
  const node: Set['node'] & { registryHas?: string } = { ...set.node, registryHas: set.node.view.digest() }
  let pauses = 0
  const pause = (ms: number) => {
    if (++pauses === 7) node.registryHas = node.view.digest()
    return set.world.pause(ms)
  }
  await leave(node, { order: set.order() }, { ...set.world, pause })
  await set.ended
  t.equal(pauses, 7)
})

t.test('it does not wait for a gateway that does not say so', async t => {
  const set = setUp(2)
  const node = { ...set.node, registryHas: set.node.view.digest() }
  await leave(node, { order: set.order() }, set.world)
  await set.ended
  t.equal(set.clock.ms - Date.parse(issued), 100_000)
})

t.test('where nobody can be told it leaves only by force, after ten minutes', async t => {
  const set = setUp(3, [])
  await t.rejects(set.take(), {
    name: 'HttpError',
    status: 409,
    message: /no other node/,
  })
  t.same([set.stored, set.node.record.lastOrder], [[], 0], 'the order is not used up')
  await leave(set.node, { order: set.order(forced), force: 'yes' }, set.world)
  await set.ended
  t.ok(set.clock.ms - Date.parse(issued) >= 600_000)
})

t.test('it is refused where others would have too few holders, but not by force', async t => {
  const set = setUp(7)
  for (const { nodeId } of set.nodes.slice(4)) {
    const text = composeEviction({ cluster, node: nodeId, force: 'yes', issued: formatTime(new Date()) })
    const departures = [evicted(nodeId, signedBy(authority, text))]
    await set.node.view.hear({ membership: { ...noMembers, departures }, endpoints: [] })
  }
  await t.rejects(set.take(), {
    name: 'HttpError',
    message: /too few/,
  })
  t.match(await leave(set.node, { order: set.order(forced), force: 'yes' }, set.world), { status: 'leaving' })
  await set.ended
})

t.test('who is not the owner learns no more than that, whoever depends on the node', async t => {
  for (const reached of [[], [1, 2, 3]]) {
    const { node, order, world } = setUp(4, reached)
    const lie = leave(node, { order: order({}, newWallet()) }, world)
    await t.rejects(lie, { name: 'HttpError', status: 403, message: /who is not the owner/ })
    t.equal(node.spread?.inTouch(), false, 'nobody is called')
  }
})

type Set = ReturnType<typeof setUp>
const refused: readonly Refusal<Set>[] = [
  ...wrongOrders('leave'),
  ...closed,
  [
    'force that was not signed',
    ({ node, order, world }) => leave(node, { order: order(), force: 'yes' }, world),
    403,
  ],
  [
    'a node that was evicted',
    async ({ node, take, own }) => {
      const text = composeEviction({ cluster, node: own.nodeId, force: 'no', issued })
      const departures = [evicted(own.nodeId, signedBy(authority, text))]
      await node.view.hear({ membership: { ...noMembers, departures }, endpoints: [] })
      return take()
    },
    409,
  ],
]
for (const [why, act, status] of refused)
  t.test(`refused with ${status}, and nothing stored, told or destroyed: ${why}`, async t => {
    const set = setUp(3)
    await t.rejects(act(set), { name: 'HttpError', status })
    t.same([set.stored, set.told, set.did], [[], [], []])
    t.notOk(hasLeft(set.node.view.into(set.node.record)))
  })

t.test('ordered twice it leaves once', async t => {
  const set = setUp(3)
  await set.take()
  await leave(set.node, { order: set.order({ number: 2 }), force: undefined }, set.world)
  await set.ended
  t.same(set.did, ['power-off'])
})

t.test('a departure that cannot be stored is not acted on, and can be ordered again', async t => {
  const set = setUp(3)
  let broken = true
  const node: Set['node'] = {
    ...set.node,
    keepRecord: next =>
      broken && hasLeft(next) ? Promise.reject(new Error('disk away')) : Promise.resolve(next),
  }
  await t.rejects(leave(node, { order: set.order() }, set.world), { message: 'disk away' })
  t.same([set.did, departed(set)], [[], []], 'and nobody has heard of it')
  broken = false
  await leave(node, { order: set.order({ number: 2 }) }, set.world)
  await set.ended
})

const departed = ({ node }: Set) => [...node.view.membership().departures.keys()]

t.test('who asks while the departure is stored hears nothing of it', async t => {
  const set = setUp(3)
  const asked = Promise.withResolvers<unknown>()
  const node: Set['node'] = {
    ...set.node,
    keepRecord: async next => {
      if (hasLeft(next)) {
        const said = { digest: '0'.repeat(64) }
        asked.resolve(await set.node.spread?.answer(said, set.nodes[1]?.nodeId ?? ''))
      }
      return next
    },
  }
  await leave(node, { order: set.order() }, set.world)
  t.match(await asked.promise, { news: { membership: { departures: { length: 0 } } } })
  t.same(departed(set), [set.own.nodeId])
  await set.ended
})

t.test('news that are stored behind the departure, and before it is heard, keep it', async t => {
  const set = setUp(3)
  let later: Promise<unknown> | undefined
  const node: Set['node'] = {
    ...set.node,
    keepRecord: next => {
      if (hasLeft(next)) later ??= changeRecord(node, node.view.into)
      return Promise.resolve(next)
    },
  }
  await leave(node, { order: set.order() }, set.world)
  await later
  t.ok(hasLeft(node.record))
  t.equal(node.record.membership.departures.length, 1)
  await set.ended
})

t.test('after a power cut a locked node goes on by its record alone', async t => {
  const set = setUp(3)
  await set.take()
  await set.ended
  const { record } = set.node
  const again = setUp(3)
  again.node.machine.dataOpen = false
  beginLeaving(again.node, { ...again.world, withLeaseKey: () => Promise.reject(new Error('closed')) })
  await again.ended
  t.ok(hasLeft(record))
})

const facts = (node: string) => ({ cluster, node, at: issued })
const strange = newNode()
const unleft: readonly (readonly [string, (set: Set) => object])[] = [
  ['nothing', () => noMembers],
  [
    'the signature of its identity key, which a copy of the disk has',
    ({ own }) => ({ departures: [signLeaving(facts(own.nodeId), own.keys.identity.privateKey)] }),
  ],
  [
    'that of a stranger',
    ({ own }) => ({ departures: [signLeaving(facts(own.nodeId), strange.keys.lease.privateKey)] }),
  ],
  [
    'the departure of another',
    () => ({ departures: [signLeaving(facts(strange.nodeId), strange.keys.lease.privateKey)] }),
  ],
  [
    'a departure from another cluster',
    ({ own }) => ({
      departures: [
        signLeaving({ ...facts(own.nodeId), cluster: '0b'.repeat(16) }, own.keys.lease.privateKey),
      ],
    }),
  ],
  [
    'an eviction',
    ({ own }) => ({
      departures: [
        evicted(
          own.nodeId,
          signedBy(authority, composeEviction({ cluster, node: own.nodeId, force: 'yes', issued })),
        ),
      ],
    }),
  ],
]
for (const [what, membership] of unleft)
  t.test(`no disk is destroyed for a record with ${what}`, async t => {
    const set = setUp(2)
    const { record } = set.node
    t.notOk(hasLeft({ ...record, membership: { ...record.membership, ...membership(set) } }))
  })
