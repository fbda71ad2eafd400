import { randomBytes } from 'node:crypto'
import t from 'tap'
import { gatewayDesk } from '../../../agent/gateway/desk.ts'
import { evicted, composeEviction } from '../../../protocol/cluster/departure.ts'
import { noMembers, present } from '../../../protocol/cluster/membership.ts'
import { clusterFactsSchema } from '../../../protocol/cluster/admission.ts'
import { composeAppointment, type Operator } from '../../../protocol/cluster/trust.ts'
import { toBase64url } from '../../../protocol/fields.ts'
import { genesisTokenHash } from '../../../protocol/grant.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { authority, cluster, joinRecord, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import {
  admissionFor,
  agentSide,
  answerOf,
  type Changes,
  clusterSecret,
  enrollmentKey,
  minutes,
  newcomer,
} from './samples.ts'

const session = await newcomer()
const other = await newcomer()

t.test('the facts of the cluster name the key that all nodes have', async t => {
  const { side, world } = agentSide()
  const facts = clusterFactsSchema.parse(await gatewayDesk(side).cluster())
  t.match(facts, { cluster, authority: authority.address, address: '10.0.0.1', prefix: 24 })
  t.equal(facts.gatewayKey, enrollmentKey)
  t.not(facts.gatewayKey, toBase64url(clusterSecret))
  t.ok(world.lent.every(lent => lent.equals(Buffer.alloc(32))))
})

t.test('a node that was invited is admitted, and takes what was sealed to it', async t => {
  const { side, logged, world } = agentSide([joinRecord({ address: '10.0.0.9' })])
  const admission = admissionFor(session)
  const { completion } = await gatewayDesk(side).join(admission)
  t.equal(completion.claim, admission.claim)
  const { judged, membership } = await answerOf(session, completion)
  t.equal(judged.config.clusterSecret, toBase64url(clusterSecret))
  t.match(judged.config.wireguard, { address: '10.0.0.2', prefix: 24, listenPort: 51_820, peers: [] })
  t.same(
    present(membership)
      .map(one => one.address)
      .toSorted(),
    ['10.0.0.1', '10.0.0.2', '10.0.0.9'],
  )
  t.match(logged, [/^gateway: admitted n[a-z2-7]{16} at 10\.0\.0\.2 by invite [0-9a-f]{64}$/])
  t.ok(world.lent.every(lent => lent.equals(Buffer.alloc(32))))
})

t.test('nothing that a gateway sees holds the secret or the claim word', async t => {
  const { side, logged } = agentSide()
  const seen = JSON.stringify([await gatewayDesk(side).join(admissionFor(session)), logged])
  t.notMatch(seen, toBase64url(clusterSecret))
  t.notMatch(seen, session.claim)
})

const known = joinRecord({ address: '10.0.0.3' })
const usedToken = randomBytes(32)
const used = joinRecord({ address: '10.0.0.4', token: usedToken })
const before = { issued: minutes(-120), expires: minutes(-60) }
const stranger = newKeyPair('x25519')

const refused: readonly (readonly [string, Changes, RegExp])[] = [
  ['a genesis', { grant: { kind: 'genesis', tokenHash: genesisTokenHash } }, /not for a join/],
  ['another cluster', { grant: { cluster: 'f'.repeat(32) } }, /another cluster/],
  ['another authority', { grant: { authority: newWallet().address } }, /another authority/],
  [
    'a key of the gateway itself, which could open the reply',
    { grant: { gatewayKey: toBase64url(stranger.publicKey) } },
    /^Cannot admit node: its grant names another gateway key/,
  ],
  ['a hello that has expired', { hello: { expires: minutes(-1) } }, /hello: it expired/],
  ['a hello of 16 minutes', { hello: { expires: minutes(16) } }, /more than 15 minutes ahead/],
  ['a grant that is over', { grant: before, voucher: before }, /expired at/],
  ['a grant for another hello', { more: { hello: other.hello } }, /another hello/],
  ['a grant with the code of another node', { grant: { code: other.code } }, /another enrollment code/],
  [
    'a grant that was edited',
    { more: { grant: { text: 'OramaOS enrollment grant v1', signature: '' } } },
    /./,
  ],
  ['an invite of a stranger', { voucherBy: newWallet() }, /no operator of this cluster/],
  ['an invite of another cluster', { voucher: { cluster: 'f'.repeat(32) } }, /another cluster/],
  ['the voucher of another invite', { voucher: { tokenHash: 'a'.repeat(64) } }, /another invite/],
  ['a token that nobody showed', { proofBy: randomBytes(32) }, /not the one that the grant names/],
  [
    'an invite that has expired since the grant was issued',
    {
      voucher: { issued: minutes(-60), expires: minutes(-5) },
      grant: { issued: minutes(-6), expires: minutes(9) },
    },
    /its invite expired/,
  ],
  ['an invite that a member has used', { token: usedToken }, /its invite was used by/],
  ['the address of a member', { more: { address: '10.0.0.3' } }, /has its address/],
  ['the WireGuard key of a member', { hello: { wireguard: known.hello.wireguard } }, /has its WireGuard key/],
  ['the identity of a member', { hello: { identity: known.hello.identity } }, /is or was a member/],
  ['an address outside the network', { more: { address: '10.0.1.2' } }, /outside the network/],
  ['a public address', { more: { address: '192.0.2.1' } }, /outside the network/],
  ['the address of the network', { more: { address: '10.0.0.0' } }, /that of the network/],
  ['the address of all', { more: { address: '10.0.0.255' } }, /or of all/],
  ["the operator's address, by the rule", { more: { address: '10.0.0.254' } }, /an operator's/],
  ["an operator's address, by its peer", { more: { address: '10.0.0.200' } }, /an operator's/],
  ['the address of this node', { more: { address: '10.0.0.1' } }, /has its address/],
]

for (const [why, changes, message] of refused)
  t.test(`POST /join refuses: ${why}`, async t => {
    const { side, logged, heard } = agentSide([known, used])
    await t.rejects(gatewayDesk(side).join(admissionFor(session, changes)), { status: 403, message })
    t.match(logged, [/^gateway: refused: /])
    t.same(heard, [])
  })

t.test('an invite counts by an operator whom the authority appointed, until it is dismissed', async t => {
  const { side, view } = agentSide()
  const operator = newWallet()
  const list = async (number: number, one: Operator) => {
    const text = composeAppointment({ cluster, number, operators: [one], issued: minutes(0) })
    const appointment = signedBy(authority, text)
    await view.hear({ membership: { ...noMembers, appointment }, endpoints: [] })
  }
  const { address } = operator
  const invited = admissionFor(session, { voucherBy: operator })
  await t.rejects(gatewayDesk(side).join(invited), { status: 403, message: /no operator/ })
  await list(1, { address })
  const { completion } = await gatewayDesk(side).join(invited)
  const { membership } = await answerOf(session, completion)
  t.match(
    membership.trust,
    { number: 1, operators: [{ address }] },
    'the node hears who may invite, and by whom',
  )
  await list(2, { address, retired: minutes(0) })
  const later = admissionFor(session, { voucherBy: operator })
  await t.rejects(gatewayDesk(side).join(later), { status: 403, message: /no operator/ })
})

t.test('a gateway that signs the grant anew with a wallet of its own is refused by the node', async t => {
  const { side } = agentSide()
  const admission = admissionFor(session)
  const grant = signedBy(newWallet(), admission.grant.text)
  const { completion } = await gatewayDesk(side).join({ ...admission, grant })
  await t.rejects(answerOf(session, completion), { message: /claim word is wrong/ })
})

t.test('the address and key of a node that was evicted are free again, its identity is not', async t => {
  const { side, view } = agentSide([known])
  const node = present(view.membership()).find(one => one.address === '10.0.0.3')?.nodeId ?? ''
  const order = signedBy(authority, composeEviction({ cluster, node, force: 'no', issued: minutes(0) }))
  await view.hear({ membership: { ...noMembers, departures: [evicted(node, order)] }, endpoints: [] })
  const desk = gatewayDesk(side)
  await t.resolves(desk.join(admissionFor(session, { more: { address: '10.0.0.3' } })))
  const again = admissionFor(session, { hello: { identity: known.hello.identity } })
  await t.rejects(desk.join(again), { message: /is or was a member/ })
})
