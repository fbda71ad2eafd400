import { once } from 'node:events'
import t, { type Test } from 'tap'
import { HttpError } from '../../../../http/error.ts'
import { enterCluster, judgeCompletion } from '../../../../agent/enroll/judge.ts'
import type { MemberRecord } from '../../../../protocol/cluster/member.ts'
import { nowhere } from '../../../../operator/node-file.ts'
import { calledCompletionSchema } from '../../../../protocol/enroll-call.ts'
import { whyNotCallable } from '../../../../services/gateway/enroll/callable.ts'
import type { Registry } from '../../../../services/gateway/registry/registry.ts'
import { afterLoss } from './after-loss.ts'
import { asked, called, helloOf } from './calling.ts'
import { type Invited, newWaiting, owner, requestFor, strangeNode, waitingNode } from './played-waiting.ts'
import { memoryRegistry, type Running, running, storedInvite } from './running.ts'

const session = await newWaiting()
/** As a gateway on a node has it. */
const whyNot = (address: string) =>
  whyNotCallable(address, { network: { address: '10.0.0.0', prefix: 24 }, own: () => ['127.0.0.1'] })
const uncalled: Running = { changes: { deliver: { whyNot } } }

const enroll = ({ ask }: Pick<Awaited<ReturnType<typeof running>>, 'ask'>, request: object) =>
  ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })

/** State of an invite, and those of all addresses. */
async function heldIn({ invites, addresses }: Registry, { tokenHash }: Invited) {
  const now = new Date()
  const states = (await addresses.list(now)).map(({ state }) => state)
  return [(await invites.entry(tokenHash, now))?.state, ...states]
}

/** A node that becomes a member by a completion over its call, which breaks before it answers. */
async function joinAndBreak({ socket }: Awaited<ReturnType<typeof called>>): Promise<MemberRecord> {
  const [data] = (await once(socket, 'message')) as [Buffer]
  const { completion } = calledCompletionSchema.parse(JSON.parse(data.toString()))
  const judged = await judgeCompletion(completion, { session, owner: owner.address, now: new Date() })
  socket.terminate()
  return enterCluster(judged).member
}

t.test(
  'a node whose call broke while it joined is let in, also after who asked again was refused',
  async t => {
    const gateway = await running(t, uncalled)
    const { registry, ask } = gateway
    const call = await called(t, gateway)
    call.socket.send(helloOf(session))
    await asked(gateway, session.code)
    const invite = await storedInvite(registry)
    const request = requestFor(session, invite, { nodeIp: nowhere })
    const [first, member] = await Promise.all([enroll(gateway, request), joinAndBreak(call)])
    t.equal(first.status, 502, first.body)
    t.same(await heldIn(registry, invite), ['reserved', 'given'])
    const again = await enroll(gateway, request)
    t.equal(again.status, 403, again.body)
    t.same(await heldIn(registry, invite), ['reserved', 'given'])
    const said = await ask('POST', '/v1/node/member', { body: JSON.stringify({ member }) })
    t.equal(said.status, 200, said.body)
    t.same(await heldIn(registry, invite), ['spent', 'confirmed'])
  },
)

const refuse = () => {
  throw new HttpError(403, 'Cannot admit node: its invite expired', 'ask for another one')
}
const refusingAgent: Running = { routes: { 'POST /join': { bodyBytesMax: 100_000, handle: refuse } } }
const refusingNode = async (t: Test): Promise<Running> => {
  const port = await strangeNode(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(403).end('{}'))
  })
  return { changes: { deliver: { port } } }
}
/** Who refuses, and the status. */
const refusals: readonly (readonly [string, number, (t: Test) => Running | Promise<Running>])[] = [
  ['an address that is not called', 403, () => uncalled],
  ['an agent that refuses', 403, () => refusingAgent],
  ['a node that refuses', 422, refusingNode],
]

for (const [what, status, refusing] of refusals) {
  t.test(`what an earlier request held stays after ${what}, at any gateway`, async t => {
    const { registry, invite, request, member, say } = await afterLoss(t, session)
    const other = await running(t, { ...(await refusing(t)), registry })
    const answer = await enroll(other, request)
    t.equal(answer.status, status, answer.body)
    t.same(await heldIn(registry, invite), ['reserved', 'given'])
    t.equal((await say({ member })).status, 200)
  })

  t.test(`the address that a node has by another invite stays after ${what}`, async t => {
    const { registry, invite, member, say } = await afterLoss(t, session)
    const other = await running(t, { ...(await refusing(t)), registry })
    const another = await storedInvite(registry)
    t.equal((await enroll(other, requestFor(session, another))).status, status)
    t.same(await heldIn(registry, another), ['open', 'given'])
    t.same(await heldIn(registry, invite), ['reserved', 'given'])
    t.equal((await say({ member })).status, 200)
  })

  t.test(`the first request gives all back after ${what}: another node joins by the invite`, async t => {
    const registry = await memoryRegistry(t)
    const refusingGateway = await running(t, { ...(await refusing(t)), registry })
    const invite = await storedInvite(registry)
    for (const time of ['first', 'again']) {
      t.equal((await enroll(refusingGateway, requestFor(session, invite))).status, status)
      t.same(await heldIn(registry, invite), ['open'], time)
    }
    const other = await newWaiting()
    const { port } = await waitingNode(t, other)
    const gateway = await running(t, { registry, changes: { deliver: { port } } })
    t.equal((await enroll(gateway, requestFor(other, invite))).status, 200)
  })
}
