import t, { type Test } from 'tap'
import { type MemberRecord, signMember } from '../../../../protocol/cluster/member.ts'
import { composeVoucher } from '../../../../protocol/cluster/voucher.ts'
import { helloHash, nodeIdOf } from '../../../../protocol/hello.ts'
import { fromBase64url } from '../../../../protocol/fields.ts'
import { proveInvite } from '../../../../protocol/cluster/invite.ts'
import type { Registry } from '../../../../services/gateway/registry/registry.ts'
import { authority, cluster, genesisRecord, newWallet, signedBy } from '../../../protocol/cluster/sample.ts'
import { afterLoss as afterLossOf } from './after-loss.ts'
import { type Invited, inMinutes, newWaiting, requestFor } from './played-waiting.ts'

const session = await newWaiting()
const afterLoss = (t: Test) => afterLossOf(t, session)
const hello = helloHash(session.hello)
const nodeId = nodeIdOf(fromBase64url(session.hello.identity))

const stateOf = async (registry: Registry, { tokenHash }: Invited) =>
  (await registry.invites.entry(tokenHash, new Date()))?.state

t.test('a node whose answer was lost becomes a member by its own record', async t => {
  const { registry, agent, invite, say, enroll, member } = await afterLoss(t)
  t.notOk(agent.membership().members.has(nodeId))
  for (const time of ['first', 'again']) {
    const { status, body } = await say({ member })
    t.same([status, JSON.parse(body)], [200, { nodeId }], time)
  }
  t.ok(agent.membership().members.has(nodeId))
  t.ok((await registry.members.membership()).members.has(nodeId))
  t.equal(await stateOf(registry, invite), 'spent')
  t.match(await registry.addresses.list(new Date()), [{ address: member.address, state: 'confirmed', hello }])
  t.match((await registry.audit.page(5)).entries, [{ what: 'member', node: nodeId }, { what: 'enroll' }])
  const again = await enroll()
  t.equal(again.status, 409)
  t.match(JSON.parse(again.body), { error: /has joined, and its acknowledgement was lost/ })
})

type Lost = Awaited<ReturnType<typeof afterLoss>>
const signed = (changes: Partial<MemberRecord>) => (of: Lost) =>
  signMember({ ...of.member, ...changes }, session.keys.lease.privateKey)
const regranted = (changes: Parameters<typeof requestFor>[2]) => (of: Lost) => {
  const { grant, proof } = requestFor(session, of.invite, changes)
  return signMember(
    { ...of.member, grant, invite: { voucher: of.invite.voucher, proof } },
    session.keys.lease.privateKey,
  )
}
const byInvite = (changes: object) => (of: Lost) => ({
  ...of.member,
  invite: { voucher: of.invite.voucher, proof: of.request.proof, ...changes },
})
const times = { issued: inMinutes(-10), expires: inMinutes(60) }
const strange = ({ invite }: Lost) =>
  signedBy(newWallet(), composeVoucher({ cluster, tokenHash: invite.tokenHash, ...times }))

type Refused = readonly [
  why: string,
  status: number,
  member: (of: Lost) => unknown,
  before?: (of: Lost) => unknown,
]
const asItIs = ({ member }: Lost) => member
const refused: readonly Refused[] = [
  ['a genesis', 403, () => genesisRecord()],
  ['no invite', 403, of => ({ ...of.member, invite: undefined })],
  ['a grant for another cluster', 403, regranted({ cluster: '0b'.repeat(16) })],
  ['a grant with another gateway key', 403, regranted({ gatewayKey: session.hello.enrollment })],
  ['a grant for another hello', 403, regranted({ hello: 'a'.repeat(64) })],
  ['another hello', 403, of => ({ ...of.member, hello: { ...of.member.hello, version: '9' } })],
  ['a proof by another token', 403, of => byInvite({ proof: proveInvite(Buffer.alloc(32), 'x') })(of)],
  ['a voucher of a stranger', 403, of => byInvite({ voucher: strange(of) })(of)],
  ['an address that was not signed', 409, of => ({ ...of.member, address: '10.0.0.9' })],
  ['an address that no gateway gave it', 409, signed({ address: '10.0.0.9' })],
  ['a signature of somebody else', 403, of => signMember(of.member, authority.key)],
  [
    'an invite that was taken back',
    409,
    asItIs,
    of => of.registry.invites.revoke(of.invite.tokenHash, new Date()),
  ],
  [
    'an invite that was given back',
    409,
    asItIs,
    of => of.registry.invites.release({ tokenHash: of.invite.tokenHash, hello }, new Date()),
  ],
  ['an address that was given back', 409, asItIs, of => of.registry.addresses.cancel(hello)],
  ['nothing', 400, () => undefined],
  ['a field too many', 400, of => ({ ...of.member, more: 1 })],
  ['17 KB', 413, of => ({ ...of.member, more: 'x'.repeat(17_000) })],
]
for (const [why, status, memberOf, before] of refused)
  t.test(`a record is refused with ${status}: ${why}`, async t => {
    const of = await afterLoss(t)
    await before?.(of)
    const state = await stateOf(of.registry, of.invite)
    const answer = await of.say({ member: memberOf(of) })
    t.equal(answer.status, status, answer.body)
    t.match(JSON.parse(answer.body), { error: /./, hint: /./ })
    t.equal(of.agent.membership().members.size, 1)
    t.equal((await of.registry.members.membership()).members.size, 1)
    t.equal(await stateOf(of.registry, of.invite), state)
    t.equal((await of.registry.audit.page(5)).entries.length, 1, 'strangers leave no rows')
  })

t.test('an agent that does not answer is no refusal, and all is kept', async t => {
  const { registry, invite, say, member, agent } = await afterLoss(t)
  await agent.close()
  t.equal((await say({ member })).status, 503)
  t.equal(await stateOf(registry, invite), 'reserved')
})
