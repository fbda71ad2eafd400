import t, { type Test } from 'tap'
import { type MembershipRecords, noMembers, recordsOf } from '../../../protocol/cluster/membership.ts'
import type { News } from '../../../protocol/cluster/news.ts'
import { composeEviction, evicted } from '../../../protocol/cluster/departure.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { composeAppointment, mayVouch, type Operator } from '../../../protocol/cluster/trust.ts'
import { fromBase64url } from '../../../protocol/fields.ts'
import { nodeIdOf } from '../../../protocol/hello.ts'
import { openClusterState } from '../../../services/gateway/cluster-state.ts'
import { foundedAt } from '../../../services/gateway/founded.ts'
import { RegistryAwayError } from '../../../services/gateway/registry/database.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newWallet,
  signedBy,
} from '../../protocol/cluster/sample.ts'
import { memoryRegistry } from './enroll/running.ts'

const now = () => new Date()
const met = () => Promise.resolve()
const of = { cluster, authority: authority.address }
const genesis = genesisRecord()
const idOf = ({ hello }: typeof genesis) => nodeIdOf(fromBase64url(hello.identity))
const newsOf = (membership: Partial<News['membership']>): News => ({
  membership: { ...noMembers, ...membership },
  endpoints: [],
})

const fail = (t: Test) => (error: Error) => void t.fail(error.message)

/** An agent that knows this, and what it was told. */
function agentWith(news: News) {
  const told: News[] = []
  return {
    told,
    agent: {
      news: () => Promise.resolve(news),
      tell: (more: News) => {
        told.push(more)
        return Promise.resolve()
      },
      met,
    },
  }
}

t.test('registry and agent tell each other what they lack', async t => {
  const registry = await memoryRegistry(t)
  const [ofAgent, ofRegistry] = [joinRecord(), joinRecord({ address: '10.0.0.3' })]
  await registry.members.add({ ...noMembers, members: [genesis, ofRegistry] }, now())
  const { agent, told } = agentWith(newsOf({ members: [genesis, ofAgent] }))
  const state = await openClusterState({ of, registry, agent, now, report: fail(t) })
  t.same(told, [newsOf({ members: [ofRegistry] })])
  t.same(
    state.nodes().map(one => one.nodeId),
    [genesis, ofAgent, ofRegistry].map(idOf).toSorted(),
  )
  t.equal(state.nodes().find(one => one.nodeId === idOf(genesis))?.owner, authority.address)
})

t.test('holds go both ways, the newest of each node', async t => {
  const registry = await memoryRegistry(t)
  const other = joinRecord()
  const hold = (node: typeof genesis, number: number, action: 'hold' | 'release') =>
    signedBy(
      authority,
      composeHold({ cluster, node: idOf(node), action, number, issued: '2026-11-21T09:00:00Z' }),
    )
  const [old, newer, ofOther] = [
    hold(genesis, 1, 'hold'),
    hold(genesis, 2, 'release'),
    hold(other, 1, 'hold'),
  ]
  await registry.members.add({ ...noMembers, members: [genesis, other], holds: [newer] }, now())
  const { agent, told } = agentWith(newsOf({ members: [genesis, other], holds: [old, ofOther] }))
  await openClusterState({ of, registry, agent, now, report: fail(t) })
  t.same(told, [newsOf({ holds: [newer] })])
  const { holds = [] } = recordsOf(await registry.members.membership())
  t.same(new Set(holds.map(one => one.text)), new Set([newer.text, ofOther.text]))
})

t.test('operators that the authority appoints count at once, until it dismisses them', async t => {
  const registry = await memoryRegistry(t)
  const operator = newWallet()
  const [at, later] = ['2026-11-21T09:00:00Z', '2026-11-21T09:00:01Z']
  const list = (number: number, one: Operator) =>
    signedBy(authority, composeAppointment({ cluster, number, operators: [one], issued: at }))
  const address = operator.address
  const [first, second] = [list(1, { address }), list(2, { address, retired: at })]
  let news = newsOf({ members: [genesis] })
  const told: News[] = []
  const agent = { news: async () => news, tell: async (more: News) => void told.push(more), met }
  const state = await openClusterState({ of, registry, agent, now, report: fail(t) })
  t.notOk(mayVouch(state.trust(), address, later))
  news = newsOf({ members: [genesis], appointment: first })
  await state.refresh()
  t.ok(mayVouch(state.trust(), address, later))
  await registry.members.add({ ...noMembers, appointment: second }, now())
  await state.refresh()
  t.notOk(mayVouch(state.trust(), address, later))
  t.same(told, [newsOf({ appointment: second })], 'and the agent hears of it')
})

t.test('what does not prove itself is said once, and goes nowhere', async t => {
  const registry = await memoryRegistry(t)
  const stranger = joinRecord({ operator: newWallet() })
  const news = newsOf({ members: [genesis, stranger] })
  const said: Error[] = []
  const report = (error: Error) => said.push(error)
  const { agent, told } = agentWith(news)
  // Each time as if it had learnt something meanwhile.
  const learning = { ...agent, news: async () => structuredClone(news) }
  const state = await openClusterState({ of, registry, agent: learning, now, report })
  await state.refresh()
  t.match(said, [{ message: /member at 10\.0\.0\.2: .* no operator/ }])
  t.same([state.nodes().length, told], [1, []])
})

t.test('what was compared is compared again when either side has learnt something', async t => {
  const registry = await memoryRegistry(t)
  const added: MembershipRecords[] = []
  const add: typeof registry.members.add = async (records, at) => {
    added.push(records)
    return registry.members.add(records, at)
  }
  const counting = { ...registry, members: { ...registry.members, add } }
  const stranger = joinRecord({ operator: newWallet() })
  const { agent } = agentWith(newsOf({ members: [genesis, stranger] }))
  const state = await openClusterState({ of, registry: counting, agent, now, report: () => undefined })
  await state.refresh()
  t.equal(added.length, 1)
  const later = joinRecord({ address: '10.0.0.3' })
  await registry.members.add({ ...noMembers, members: [later] }, now())
  await state.refresh()
  t.equal(added.length, 2)
  t.equal(state.nodes().length, 2)
})

t.test('a gateway that starts removes the tokens that others left of departed nodes', async t => {
  const registry = await memoryRegistry(t)
  const member = joinRecord()
  const [node, kept] = [idOf(member), idOf(genesis)]
  const text = composeEviction({ cluster, node, force: 'no', issued: '2026-11-21T09:00:00Z' })
  const departures = [evicted(node, signedBy(authority, text))]
  await registry.members.add({ ...noMembers, members: [genesis, member], departures }, now())
  for (const one of [node, kept]) await registry.nodeTokens.put(one, Buffer.alloc(32, 1))
  const { agent } = agentWith(newsOf({ members: [genesis, member], departures }))
  await openClusterState({ of, registry, agent, now, report: fail(t) })
  t.equal(await registry.nodeTokens.use(node, () => 'there'), undefined)
  t.equal(await registry.nodeTokens.use(kept, () => 'there'), 'there')
})

t.test('a node that was evicted is a member no more, and its token is gone', async t => {
  const registry = await memoryRegistry(t)
  const member = joinRecord()
  const node = idOf(member)
  await registry.members.add({ ...noMembers, members: [genesis, member] }, now())
  await registry.nodeTokens.put(node, Buffer.alloc(32, 1))
  const text = composeEviction({ cluster, node, force: 'no', issued: '2026-11-21T09:00:00Z' })
  const departures = [evicted(node, signedBy(authority, text))]
  const { agent } = agentWith(newsOf({ members: [genesis, member], departures }))
  const state = await openClusterState({ of, registry, agent, now, report: fail(t) })
  t.same(
    state.nodes().map(one => one.nodeId),
    [idOf(genesis)],
  )
  t.equal(await registry.nodeTokens.use(node, () => 'there'), undefined)
})

t.test('a token that could not be removed goes with the next look', async t => {
  const registry = await memoryRegistry(t)
  const member = joinRecord()
  const node = idOf(member)
  await registry.members.add({ ...noMembers, members: [genesis, member] }, now())
  await registry.nodeTokens.put(node, Buffer.alloc(32, 1))
  let news = newsOf({ members: [genesis, member] })
  const agent = { news: async () => news, tell: () => Promise.resolve(), met }
  let fails = false
  const failing: typeof registry = {
    ...registry,
    removeDeparted: nodes => (fails ? Promise.reject(new Error('away')) : registry.removeDeparted(nodes)),
  }
  const state = await openClusterState({ of, registry: failing, agent, now, report: fail(t) })
  const text = composeEviction({ cluster, node, force: 'no', issued: '2026-11-21T09:00:00Z' })
  const departures = [evicted(node, signedBy(authority, text))]
  news = newsOf({ members: [genesis, member], departures })
  fails = true
  await t.rejects(state.refresh(), { message: 'away' })
  fails = false
  await state.refresh()
  t.equal(await registry.nodeTokens.use(node, () => 'there'), undefined)
})

t.test('while the registry is away those count whom the agent knows, and it is told once', async t => {
  const registry = await memoryRegistry(t)
  const member = joinRecord()
  let isAway = true
  const membership = () =>
    isAway ? Promise.reject(new RegistryAwayError('no leader')) : registry.members.membership()
  const leaderless: typeof registry = { ...registry, members: { ...registry.members, membership } }
  let news = newsOf({ members: [genesis, joinRecord({ operator: newWallet() })] })
  const agent = { news: async () => news, tell: () => Promise.resolve(), met }
  const reported: Error[] = []
  const report = (error: Error) => void reported.push(error)
  const state = await openClusterState({ of, registry: leaderless, agent, now, report })
  const known = () => state.nodes().map(one => one.nodeId)
  t.same(known(), [idOf(genesis)], 'who does not prove itself does not count')
  t.match(reported, [{ message: 'Cannot use the registry yet', cause: { message: 'no leader' } }])
  news = newsOf({ members: [genesis, member] })
  await t.rejects(state.refresh(), { message: 'no leader' })
  t.same(known(), [idOf(genesis), idOf(member)].toSorted())
  isAway = false
  t.ok(state.isAlone())
  await state.refresh()
  t.notOk(state.isAlone())
  t.same(known(), [idOf(genesis), idOf(member)].toSorted())
  t.equal((await registry.members.membership()).members.size, 2)
})

t.test(
  'the agent is told what the registry has once it has it, and not after a look that failed',
  async t => {
    const registry = await memoryRegistry(t)
    let fails = true
    const failing: typeof registry = {
      ...registry,
      removeDeparted: nodes => (fails ? Promise.reject(new Error('away')) : registry.removeDeparted(nodes)),
    }
    const news = newsOf({ members: [genesis] })
    const had: News[] = []
    const agent = {
      news: async () => news,
      tell: () => Promise.resolve(),
      met: async (all: News) => void had.push(all),
    }
    await t.rejects(openClusterState({ of, registry: failing, agent, now, report: fail(t) }))
    t.same(had, [])
    fails = false
    const state = await openClusterState({ of, registry: failing, agent, now, report: fail(t) })
    for (let look = 0; look < 3; look++) await state.refresh()
    t.same(had, [news])
  },
)

t.test('who came back into the registry is taken out of it again', async t => {
  const registry = await memoryRegistry(t)
  const calls: (readonly string[])[] = []
  const counting: typeof registry = {
    ...registry,
    removeDeparted: nodes => {
      calls.push(nodes)
      return Promise.resolve()
    },
  }
  const { agent } = agentWith(newsOf({ members: [genesis] }))
  const state = await openClusterState({ of, registry: counting, agent, now, report: fail(t) })
  for (let look = 0; look < 120; look++) await state.refresh()
  t.equal(calls.length, 3)
})

t.test('an agent or a registry that does not answer ends the look', async t => {
  const registry = await memoryRegistry(t)
  const away = { news: () => Promise.reject(new Error('away')), tell: () => Promise.resolve(), met }
  await t.rejects(openClusterState({ of, registry, agent: away, now, report: fail(t) }), { message: 'away' })
})

t.test('a cluster was made when its genesis was, whoever joined since', async t => {
  t.equal(foundedAt({ members: [joinRecord(), genesis] }), '2026-11-21T08:00:00Z')
  t.throws(() => foundedAt({ members: [joinRecord()] }), { name: 'RangeError' })
})
