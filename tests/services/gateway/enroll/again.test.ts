import { join } from 'node:path'
import t, { type Test } from 'tap'
import { joinAnswerSchema, type JoinRequest } from '../../../../protocol/cluster/joining.ts'
import { RegistryAwayError, UnknownOutcomeError } from '../../../../services/gateway/registry/database.ts'
import type { Registry } from '../../../../services/gateway/registry/registry.ts'
import { composeEviction, evicted } from '../../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../../protocol/cluster/membership.ts'
import { authority, cluster, signedBy } from '../../../protocol/cluster/sample.ts'
import { playedAgent } from './played-agent.ts'
import {
  enrolled,
  type Invited,
  inMinutes,
  newWaiting,
  requestFor,
  strangeNode,
  waitingNode,
} from './played-waiting.ts'
import { memoryRegistry, running, storedInvite } from './running.ts'

const session = await newWaiting()

const enroll = ({ ask }: Pick<Awaited<ReturnType<typeof running>>, 'ask'>, request: JoinRequest) =>
  ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })
const stateOf = async (registry: Registry, { tokenHash }: Invited) =>
  (await registry.invites.entry(tokenHash, new Date()))?.state
const deadNode = (t: Test) => strangeNode(t, request => request.socket.destroy())

t.test('what one gateway could not deliver another does, at the same address', async t => {
  const registry = await memoryRegistry(t)
  const agent = await playedAgent(t)
  const port = await deadNode(t)
  const first = await running(t, { registry, agent, changes: { deliver: { port } } })
  const invite = await storedInvite(registry)
  const request = requestFor(session, invite)
  t.equal((await enroll(first, request)).status, 502)
  await first.gateway.close()
  const node = await waitingNode(t, session)
  const second = await running(t, { registry, agent, changes: { deliver: { port: node.port } } })
  t.equal((await enroll(second, request)).status, 200)
  t.same(agent.asked, ['10.0.0.2', '10.0.0.2'])
  t.equal(await stateOf(registry, invite), 'spent')
})

t.test('who lost the answer is told it again, by any gateway, and the node is not asked', async t => {
  const registry = await memoryRegistry(t)
  const agent = await playedAgent(t)
  const node = await waitingNode(t, session)
  const first = await running(t, { registry, agent, changes: { deliver: { port: node.port } } })
  const invite = await storedInvite(registry)
  const request = requestFor(session, invite)
  const answer = await enroll(first, request)
  t.equal(answer.status, 200)
  const second = await running(t, { registry, agent, changes: { deliver: { port: await deadNode(t) } } })
  t.same(JSON.parse((await enroll(second, request)).body), JSON.parse(answer.body))
  const another = requestFor(session, invite, { expires: inMinutes(10) })
  t.equal((await enroll(second, another)).status, 409, 'but not who comes with another grant')
})

t.test('who has no more than the member record is not told', async t => {
  const { port } = await waitingNode(t, session)
  const gateway = await running(t, { changes: { deliver: { port } } })
  const request = requestFor(session, await storedInvite(gateway.registry))
  const { member } = joinAnswerSchema.parse(JSON.parse((await enroll(gateway, request)).body))
  const { hello, grant, invite } = member
  if (invite === undefined) throw new Error('no invite')
  const answer = await enroll(gateway, { hello, grant, proof: invite.proof, asking: invite.proof.signature })
  t.equal(answer.status, 403)
  t.notMatch(answer.body, 'agentToken')
})

t.test('of a node that has left nothing comes back', async t => {
  const { port } = await waitingNode(t, session)
  const gateway = await running(t, { changes: { deliver: { port } } })
  const { registry } = gateway
  const request = requestFor(session, await storedInvite(registry))
  const answer = joinAnswerSchema.parse(JSON.parse((await enroll(gateway, request)).body))
  const { nodeId: node } = answer.acknowledgement
  const text = composeEviction({ cluster, node, force: 'no', issued: inMinutes(0) })
  const departures = [evicted(node, signedBy(authority, text))]
  t.same(await registry.members.add({ ...noMembers, departures }, new Date()), [])
  await registry.nodeTokens.removeDeparted()
  t.equal((await enroll(gateway, request)).status, 409)
  t.match(await registry.addresses.list(new Date()), [{ state: 'resting' }])
  t.equal(await registry.nodeTokens.use(node, () => 'there'), undefined)
})

t.test('a gateway that ended before it was through is finished by the next', async t => {
  const { registry, ask } = await running(t, { changes: { deliver: { port: await deadNode(t) } } })
  const other = await running(t, { changes: { deliver: { port: (await waitingNode(t, session)).port } } })
  const invite = await storedInvite(registry)
  await storedInvite(other.registry, invite)
  const request = requestFor(session, invite)
  const answer = joinAnswerSchema.parse(JSON.parse((await enroll(other, request)).body))
  t.equal((await enroll({ ask }, request)).status, 502)
  await registry.joinAnswers.put(answer.acknowledgement.hello, answer)
  t.equal(await stateOf(registry, invite), 'reserved')
  t.equal((await enroll({ ask }, request)).status, 200)
  t.equal(await stateOf(registry, invite), 'spent')
  t.match(await registry.addresses.list(new Date()), [{ state: 'confirmed' }])
  t.ok((await registry.members.membership()).members.has(answer.acknowledgement.nodeId))
})

t.test('two that ask for one node at once get one answer, and the node is asked once', async t => {
  let carriedOut = 0
  const node = await waitingNode(t, session, accepted => {
    carriedOut += 1
    return enrolled(session)(accepted)
  })
  const gateway = await running(t, { changes: { deliver: { port: node.port } } })
  const request = requestFor(session, await storedInvite(gateway.registry))
  const [one, two] = await Promise.all([enroll(gateway, request), enroll(gateway, request)])
  t.same([one.status, two.status, carriedOut], [200, 200, 1])
  t.equal(one.body, two.body)
})

t.test('while one grant is being carried out another for the node is turned away', async t => {
  const begun = Promise.withResolvers<undefined>()
  const goOn = Promise.withResolvers<undefined>()
  const node = await waitingNode(t, session, async accepted => {
    begun.resolve(undefined)
    await goOn.promise
    return enrolled(session)(accepted)
  })
  const gateway = await running(t, { changes: { deliver: { port: node.port } } })
  const invite = await storedInvite(gateway.registry)
  const first = enroll(gateway, requestFor(session, invite))
  await begun.promise
  t.equal((await enroll(gateway, requestFor(session, invite, { expires: inMinutes(9) }))).status, 409)
  goOn.resolve(undefined)
  t.equal((await first).status, 200)
})

t.test('two nodes at once, at two gateways of one registry, get two addresses', async t => {
  const path = join(t.testdir({}), 'registry.db')
  const agent = await playedAgent(t)
  const joins = await Promise.all(
    [session, await newWaiting()].map(async one => {
      const registry = await memoryRegistry(t, path)
      const { port } = await waitingNode(t, one)
      const gateway = await running(t, { registry, agent, changes: { deliver: { port } } })
      return { gateway, request: requestFor(one, await storedInvite(registry)) }
    }),
  )
  const answers = await Promise.all(joins.map(({ gateway, request }) => enroll(gateway, request)))
  t.same(
    answers.map(one => one.status),
    [200, 200],
  )
  const members = answers.map(one => joinAnswerSchema.parse(JSON.parse(one.body)).member.address)
  t.same(members.toSorted(), ['10.0.0.2', '10.0.0.3'])
})

t.test('another node cannot have an invite that was delivered', async t => {
  const { registry, ask } = await running(t, { changes: { deliver: { port: await deadNode(t) } } })
  const invite = await storedInvite(registry)
  t.equal((await enroll({ ask }, requestFor(session, invite))).status, 502)
  t.equal((await enroll({ ask }, requestFor(await newWaiting(), invite))).status, 409)
})

t.test('a registry that is away when the node has joined is waited for', async t => {
  const real = await memoryRegistry(t)
  let away = 3
  const put: Registry['joinAnswers']['put'] = (hello, answer) => {
    if (away-- > 0) throw new RegistryAwayError('Cannot reach rqlite')
    return real.joinAnswers.put(hello, answer)
  }
  const registry = { ...real, joinAnswers: { ...real.joinAnswers, put } }
  const node = await waitingNode(t, session)
  const { ask } = await running(t, { registry, changes: { deliver: { port: node.port } } })
  const invite = await storedInvite(real)
  t.equal((await enroll({ ask }, requestFor(session, invite))).status, 200)
  t.equal(await stateOf(real, invite), 'spent')
})

t.test('where it stays away the answer of the node is kept for who asks again', async t => {
  const real = await memoryRegistry(t)
  let away = true
  const put: Registry['nodeTokens']['put'] = (node, token) => {
    if (away) throw new UnknownOutcomeError('Cannot tell')
    return real.nodeTokens.put(node, token)
  }
  const registry = { ...real, nodeTokens: { ...real.nodeTokens, put } }
  const node = await waitingNode(t, session)
  const { ask } = await running(t, {
    registry,
    changes: { deliver: { port: node.port }, registryPatienceMs: 0 },
  })
  const invite = await storedInvite(real)
  const request = requestFor(session, invite)
  const first = await enroll({ ask }, request)
  t.equal(first.status, 503)
  t.match(first.body, /has joined/)
  away = false
  t.equal((await enroll({ ask }, request)).status, 200)
  t.equal(await stateOf(real, invite), 'spent')
})

t.test('an agent that is busy when the node has answered is asked again, the node is not', async t => {
  const node = await waitingNode(t, session)
  const { registry, agent, ask } = await running(t, { changes: { deliver: { port: node.port } } })
  agent.busy.times = 2
  const invite = await storedInvite(registry)
  const request = requestFor(session, invite)
  t.equal((await enroll({ ask }, request)).status, 503)
  t.equal((await enroll({ ask }, request)).status, 503)
  t.equal((await enroll({ ask }, request)).status, 200)
  t.equal(await stateOf(registry, invite), 'spent')
})

t.test('a registry that is away before anything has begun is a 503 as well', async t => {
  const real = await memoryRegistry(t)
  const find = () => Promise.reject(new RegistryAwayError('Cannot reach rqlite'))
  const registry = { ...real, joinAnswers: { ...real.joinAnswers, find } }
  const { ask } = await running(t, { registry })
  const { status, body } = await enroll({ ask }, requestFor(session, await storedInvite(real)))
  t.equal(status, 503)
  t.match(body, /does not answer/)
})
