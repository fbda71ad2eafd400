import t from 'tap'
import { checkMember } from '../../../../protocol/cluster/member.ts'
import { joinAnswerSchema, joinOfferSchema, type JoinRequest } from '../../../../protocol/cluster/joining.ts'
import { verifyAcknowledgement } from '../../../../protocol/completion.ts'
import { helloHash } from '../../../../protocol/hello.ts'
import { cluster, trust } from '../../../protocol/cluster/sample.ts'
import { offer } from './played-agent.ts'
import { agentToken, newWaiting, owner, requestFor, waitingNode } from './played-waiting.ts'
import { running, storedInvite } from './running.ts'

const enroll = (gateway: Pick<Awaited<ReturnType<typeof running>>, 'ask'>, request: JoinRequest) =>
  gateway.ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })

t.test('a node joins: it is a member, its address and token are kept, its invite is spent', async t => {
  const session = await newWaiting()
  const { port } = await waitingNode(t, session)
  const gateway = await running(t, { changes: { deliver: { port } } })
  const { registry } = gateway
  t.same(joinOfferSchema.parse(JSON.parse((await gateway.ask('GET', '/v1/node/enroll')).body)), offer)
  const invite = await storedInvite(registry)
  const { status, body } = await enroll(gateway, requestFor(session, invite))
  t.equal(status, 200, body)
  const { acknowledgement, member } = joinAnswerSchema.parse(JSON.parse(body))
  const { hello } = session
  t.equal(
    verifyAcknowledgement(acknowledgement, { hello, owner: owner.address, cluster }).agentToken,
    agentToken,
  )
  const { nodeId, address } = checkMember(member, trust)
  t.equal(address, '10.0.0.2')
  t.equal((await registry.invites.entry(invite.tokenHash, new Date()))?.state, 'spent')
  t.match(await registry.addresses.list(new Date()), [
    { address, state: 'confirmed', hello: helloHash(hello) },
  ])
  t.ok((await registry.members.membership()).members.has(nodeId))
  t.ok(gateway.agent.membership().members.has(nodeId))
  t.equal(await registry.nodeTokens.use(nodeId, token => Buffer.from(token).toString('hex')), agentToken)
  t.match((await registry.audit.page(5)).entries, [
    { what: 'enroll', node: nodeId, who: owner.address, outcome: 'joined', requestId: /^[0-9a-f]{16}$/ },
  ])
})
