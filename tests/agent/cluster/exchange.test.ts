import t from 'tap'
import { composeEviction, evicted } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import type { News } from '../../../protocol/cluster/news.ts'
import { authority, cluster, joinRecord, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import {
  type Cable,
  cable,
  type Call,
  endpoint,
  ids,
  isWhole,
  moved,
  viewOf,
  viewsOf,
  whole,
} from './cable.ts'

const [first = '', second = '', third = '', , fifth = ''] = ids

t.test('those that know the same say only so, each pair once', async t => {
  const { at, round } = cable(viewsOf(3, () => [endpoint(0, 1), endpoint(1, 1)]))
  const calls = await round()
  t.same(
    calls.map(({ from, to, said, answer }) => [from, to, Object.keys(said), Object.keys(answer)]),
    [
      [first, second, ['digest'], ['digest']],
      [first, third, ['digest'], ['digest']],
      [second, third, ['digest'], ['digest']],
    ],
  )
  t.ok(at(2).isTold(first), 'who was called knows it too')
  t.same(await round(), [])
})

t.test('two halves are one whole after one exchange, on both sides, and both know it', async t => {
  const views = new Map([
    [first, viewOf(0, [0, 1, 2], [endpoint(0, 2), endpoint(1, 1)])],
    [second, viewOf(1, [0, 1, 3], [endpoint(0, 1), endpoint(1, 2)])],
  ])
  const { at, calls } = cable(views)
  await at(0).round()
  const among = calls.filter(({ to }) => to === second)
  t.same(
    among.map(({ said, answer }) => [isWhole(said), isWhole(answer)]),
    [
      [false, true],
      [true, false],
    ],
  )
  for (const view of views.values()) {
    t.same(view.members(), ids.slice(0, 4).toSorted())
    t.same(view.peers().find(one => one.endpoint !== undefined)?.endpoint, '192.0.2.9:51820')
    t.same(
      view.news().endpoints.map(one => one.number),
      [2, 2],
    )
  }
  t.ok(at(0).isTold(second) && at(1).isTold(first))
})

t.test('who only has to learn sends nothing back', async t => {
  const views = new Map([
    [first, viewOf(0, [0, 1])],
    [second, viewOf(1, [0, 1], [endpoint(1, 2)])],
  ])
  const { at, calls } = cable(views)
  await at(0).round()
  t.same(
    calls.map(({ said, answer }) => [isWhole(said), isWhole(answer)]),
    [[false, true]],
  )
  t.ok(at(0).isTold(second), 'it has heard all that is known here')
  t.notOk(at(1).isTold(first), 'whether the answer came is not known')
  await at(1).round()
  t.same(whole(calls).length, 1)
  t.ok(at(1).isTold(first))
})

const pairOf = ({ from, to }: Call) => [from, to].toSorted().join()
const inTurn = (set: Cable) => set.round()
const atOnce = async ({ spreads, calls }: Cable) => {
  const before = calls.length
  await Promise.all([...spreads.values()].map(spread => spread.round()))
  return calls.slice(before)
}

for (const [how, round] of [['one after the other', inTurn] as const, ['all at once', atOnce] as const])
  for (const heard of [0, 3, 5])
    t.test(`after what node ${heard} of six hears no pair says all more than once, ${how}`, async t => {
      const views = viewsOf(6)
      const set = cable(views)
      await set.round()
      await set.at(heard).hear(moved(endpoint(heard, 7)), 'itself')
      const six = ids.slice(0, 6)
      for (const id of six.filter((_, at) => at !== heard)) t.notOk(set.at(heard).isTold(id))
      const calls = [...(await round(set)), ...(await round(set))]
      const brought = calls.filter(({ said }) => isWhole(said)).map(pairOf)
      t.equal(brought.length, new Set(brought).size)
      // Each call that brings all follows one that was answered with all.
      t.equal(whole(calls).length, 2 * brought.length)
      t.equal(new Set([...views.values()].map(view => view.digest())).size, 1)
      for (const one of six.keys())
        for (const other of six.filter((_, at) => at !== one)) t.ok(set.at(one).isTold(other))
      t.same(await round(set), [])
    })

t.test('one after the other each pair talks once, and only who knew it first says all', async t => {
  const set = cable(viewsOf(6))
  await set.round()
  await set.at(2).hear(moved(endpoint(2, 7)), 'itself')
  const calls = [...(await set.round()), ...(await set.round())]
  const begun = calls.filter(({ said }) => !isWhole(said))
  t.same([begun.length, new Set(begun.map(pairOf)).size], [15, 15])
  t.same([...new Set(whole(calls).map(({ from }) => from))], [third])
})

t.test('who calls before its turn comes is not called', async t => {
  const views = viewsOf(10)
  const last = ids.at(-1) ?? ''
  const meanwhile = async ({ from, to }: Call) => {
    if (from === first && to === second)
      await set.at(0).answer({ digest: views.get(last)?.digest() ?? '' }, last)
  }
  const set = cable(views, { meanwhile })
  await set.at(0).round()
  t.same([set.calls.length, set.at(0).isTold(last)], [8, true])
})

/** Two members; the first knows one more, whom the second refuses. */
function withStranger() {
  const strange = joinRecord({ operator: newWallet(), address: '10.0.0.99' })
  return new Map([
    [first, viewOf(0, [0, 1, strange])],
    [second, viewOf(1, [0, 1])],
  ])
}

t.test('a record that one refuses goes once a change, and not again with each round', async t => {
  const views = withStranger()
  const { at, round, log } = cable(views)
  t.same(whole(await round()).length, 2)
  t.equal(log.filter(line => line.includes('refused')).length, 1)
  t.not(views.get(first)?.digest(), views.get(second)?.digest())
  t.ok(at(0).isTold(second) && at(1).isTold(first), 'they differ, and have said all')
  t.same([await round(), await round()], [[], []])
  await at(1).hear(moved(endpoint(1, 2)), 'itself')
  t.same(whole(await round()).length, 2)
  t.same(await round(), [])
})

t.test('what one refuses it judges once an exchange, also where it asks and is answered twice', async t => {
  const { at, calls, log } = cable(withStranger())
  await at(1).round()
  t.same(
    calls.map(({ answer }) => isWhole(answer)),
    [true, true],
  )
  t.equal(log.filter(line => line.includes('refused')).length, 1)
})

t.test('where a node that is gone was does not count: one keeps it, and another never takes it', async t => {
  const departures = [evicted(fifth, signedBy(authority, evictionOf(fifth)))]
  const gone: News = { membership: { ...noMembers, departures }, endpoints: [] }
  const views = new Map([
    [first, viewOf(0, [0, 1, 4], [endpoint(4, 3)])],
    [second, viewOf(1, [0, 1, 4])],
  ])
  const [keeps, refuses] = [...views.values()]
  t.not(keeps?.digest(), refuses?.digest())
  for (const view of views.values()) await view.hear(gone)
  t.equal((await refuses?.hear(moved(endpoint(4, 3))))?.changed, false)
  t.same([keeps?.news().endpoints.length, refuses?.news().endpoints.length], [1, 0])
  t.equal(keeps?.digest(), refuses?.digest())
  t.same(whole(await cable(views).round()), [])
})

function evictionOf(node: string): string {
  return composeEviction({ cluster, node, force: 'no', issued: '2026-11-27T08:00:00Z' })
}

t.test('a change while the other answers that it knows the same leaves it untold', async t => {
  const views = viewsOf(2)
  const meanwhile = ({ said }: Call) =>
    isWhole(said) ? Promise.resolve() : (views.get(first)?.hear(moved(endpoint(0, 2))) ?? Promise.resolve())
  const { at, calls } = cable(views, { meanwhile })
  await at(0).round()
  t.same(
    calls.map(({ said, answer }) => [isWhole(said), isWhole(answer)]),
    [
      [false, false],
      [true, false],
    ],
    'so it goes with the same exchange',
  )
  t.ok(at(0).isTold(second))
  t.same(views.get(second)?.news(), views.get(first)?.news())
})

t.test('a change right after all was sent is told with the next round', async t => {
  const views = viewsOf(2, () => [endpoint(0, 1)])
  await views.get(first)?.hear(moved(endpoint(0, 2)))
  const meanwhile = async ({ said }: Call) => {
    if (isWhole(said)) await views.get(first)?.hear(moved(endpoint(0, 3)))
  }
  const { at } = cable(views, { meanwhile })
  await at(0).round()
  t.notOk(at(0).isTold(second), 'it has not heard of the last')
  t.equal(views.get(second)?.news().endpoints[0]?.number, 2)
  await at(0).round()
  t.ok(at(0).isTold(second))
  t.equal(views.get(second)?.news().endpoints[0]?.number, 3)
})

t.test('who is called in the middle of its own call is not told of what came since', async t => {
  const views = viewsOf(2)
  const { at } = cable(views)
  const digest = views.get(first)?.digest() ?? ''
  await at(1).answer({ digest }, first)
  t.ok(at(1).isTold(first))
  await at(1).hear(moved(endpoint(1, 2)), 'itself')
  t.notOk(at(1).isTold(first))
  await at(1).answer({ digest }, first)
  t.notOk(at(1).isTold(first), 'it knows no more than before')
})
