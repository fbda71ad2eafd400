import t from 'tap'
import { leave } from '../../../agent/node/leave.ts'
import { composeEviction, evicted } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { authority, cluster, signedBy } from '../../protocol/cluster/sample.ts'
import { issued, setUp } from './leaving.ts'

/** The node holds shares of these; each erases its own after so many seconds. */
function holding(set: ReturnType<typeof setUp>, erasedAfterS: ReadonlyMap<number, number>) {
  const rows = () => {
    const seconds = (set.clock.ms - Date.parse(issued)) / 1000
    const left = [...erasedAfterS].filter(([, after]) => seconds < after)
    return Object.fromEntries(left.map(([at]) => [set.nodes[at]?.nodeId ?? '', oneShare]))
  }
  const store = { fault: () => undefined, holdings: rows, keep: () => Promise.resolve() }
  return { ...set.node, store }
}

const oneShare = { epochs: [{ number: 1, id: 'ab'.repeat(16) }], counter: 0 }

t.test('it stays the guardian of the others until all have shared anew', async t => {
  const set = setUp(4)
  await leave(
    holding(
      set,
      new Map([
        [1, 20],
        [3, 45],
      ]),
    ),
    { order: set.order() },
    set.world,
  )
  await set.ended
  t.equal((set.clock.ms - Date.parse(issued)) / 1000, 45)
})

t.test('it does not wait longer than five minutes, nor for who is no member', async t => {
  const set = setUp(4)
  const text = composeEviction({ cluster, node: set.nodes[2]?.nodeId ?? '', force: 'yes', issued })
  const departures = [evicted(set.nodes[2]?.nodeId ?? '', signedBy(authority, text))]
  await set.node.view.hear({ membership: { ...noMembers, departures }, endpoints: [] })
  await leave(
    holding(
      set,
      new Map([
        [1, 1e9],
        [2, 1e9],
      ]),
    ),
    { order: set.order() },
    set.world,
  )
  await set.ended
  t.equal((set.clock.ms - Date.parse(issued)) / 1000, 300)
  const gone = setUp(4)
  await leave(holding(gone, new Map([[0, 1e9]])), { order: gone.order() }, gone.world)
  await gone.ended
  t.equal(gone.clock.ms, Date.parse(issued))
})
