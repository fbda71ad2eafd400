import { randomBytes } from 'node:crypto'
import t from 'tap'
import { enterCluster, type Judged } from '../../../agent/enroll/judge.ts'
import { newSession } from '../../../agent/enroll/session.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { inviteKey, proveInvite, tokenHash } from '../../../protocol/cluster/invite.ts'
import { type MembershipRecords, present, recordsOf } from '../../../protocol/cluster/membership.ts'
import { composeAppointment } from '../../../protocol/cluster/trust.ts'
import { composeVoucher } from '../../../protocol/cluster/voucher.ts'
import type { EnrollmentConfig } from '../../../protocol/completion.ts'
import { fromBase64url } from '../../../protocol/fields.ts'
import { composeGrant, type Grant, parseGrant } from '../../../protocol/grant.ts'
import { helloHash, nodeIdOf } from '../../../protocol/hello.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newWallet,
  signedBy,
  type TestWallet,
} from '../../protocol/cluster/sample.ts'

const session = await newSession({ version: '0.1.0', nowMs: Date.now(), bootMs: 0 })
const owner = newWallet()
const token = randomBytes(32)
const issued = '2026-11-21T08:00:00Z'
const expires = '2026-11-21T08:15:00Z'
const hash = tokenHash(inviteKey(token).publicKey)
const genesis = genesisRecord()
const second = joinRecord({ address: '10.0.0.2' })
const none: MembershipRecords = { members: [], departures: [] }

type Changes = {
  readonly grant?: Partial<Grant>
  readonly signer?: TestWallet
  readonly voucherBy?: TestWallet
  readonly token?: Uint8Array
  readonly config?: Partial<EnrollmentConfig>
  readonly membership?: Partial<MembershipRecords>
  readonly wireguard?: Partial<EnrollmentConfig['wireguard']>
}

/** What the desk has judged of a join, changed as told. */
function judged(changes: Changes = {}): Judged {
  const text = composeGrant({
    kind: 'join',
    cluster,
    authority: authority.address,
    hello: helloHash(session.hello),
    code: session.code,
    nodeIp: '192.0.2.9',
    gatewayKey: session.hello.enrollment,
    tokenHash: hash,
    issued,
    expires,
    ...changes.grant,
  })
  const signer = changes.signer ?? owner
  const grant = signedBy(signer, text)
  const voucher = composeVoucher({ cluster, tokenHash: hash, issued, expires })
  const invite = {
    voucher: signedBy(changes.voucherBy ?? authority, voucher),
    proof: proveInvite(changes.token ?? token, text),
  }
  const membership = { ...none, members: [genesis, second], ...changes.membership }
  const config: EnrollmentConfig = {
    v: 1,
    cluster,
    clusterSecret: randomBytes(32).toString('base64url'),
    wireguard: { address: '10.0.0.3', prefix: 24, listenPort: 51_820, peers: [], ...changes.wireguard },
    join: { invite, membership, endpoints: [] },
    ...changes.config,
  }
  return {
    session,
    completion: { v: 1, grant, ephemeral: 'A'.repeat(43), box: 'AAAA' },
    config,
    grant: { grant: parseGrant(text), owner: signer.address, ownerPublicKey: new Uint8Array(65) },
    sealReply: () => '',
  }
}

t.test('a node that was invited takes its place among the members', async t => {
  const { member, membership } = enterCluster(judged())
  t.equal(member.address, '10.0.0.3')
  t.same(
    present(membership)
      .map(one => one.address)
      .toSorted(),
    ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
  )
  t.same(recordsOf(membership).members.at(-1), member)
})

t.test('a genesis is alone, and keeps the peers that its owner names', async t => {
  const peer = { name: 'operator', publicKey: session.hello.wireguard, address: '10.0.0.254' }
  const alone = { wireguard: { address: '10.0.0.1', prefix: 24, listenPort: 51_820, peers: [peer] } }
  const { join, ...config } = judged().config
  t.ok(join)
  const first = judged({ signer: authority, grant: { kind: 'genesis' } })
  const { membership } = enterCluster({ ...first, config: { ...config, ...alone } })
  t.equal(present(membership).length, 1)
})

const stranger = newWallet()
const peer = { name: 'friend', publicKey: session.hello.wireguard, address: '10.0.0.9' }

const refused: readonly (readonly [string, Judged, RegExp])[] = [
  ['a join without its cluster', judged({ config: { join: undefined } }), /not that of a join/],
  [
    'a genesis with a cluster',
    judged({ signer: authority, grant: { kind: 'genesis' } }),
    /not that of a genesis/,
  ],
  ['peers that are no members', judged({ wireguard: { peers: [peer] } }), /no members/],
  ['the address of another member', judged({ wireguard: { address: '10.0.0.2' } }), /has its address/],
  ['a network without members', judged({ wireguard: { address: '10.0.1.3' } }), /no member in this network/],
  ['no members', judged({ membership: { members: [] } }), /no member in this network/],
  ['a voucher by a stranger', judged({ voucherBy: stranger }), /no operator of this cluster/],
  [
    'an invite whose token nobody had',
    judged({ token: randomBytes(32) }),
    /not the one that the grant names/,
  ],
  [
    'the authority of another',
    judged({ grant: { authority: stranger.address } }),
    /no member in this network/,
  ],
]

const dismissal = '2026-11-21T09:00:00Z'
const operator = newWallet()
const dismissed = signedBy(
  authority,
  composeAppointment({
    ...{ cluster, number: 2, issued: dismissal },
    operators: [{ address: operator.address, retired: dismissal }],
  }),
)
const hold = composeHold({
  ...{ cluster, node: nodeIdOf(fromBase64url(second.hello.identity)), action: 'hold' },
  ...{ number: Date.parse(dismissal) + 1000, issued: '2026-11-21T09:00:01Z' },
})

const leftOut: readonly (readonly [string, Partial<MembershipRecords>, RegExp])[] = [
  [
    'an invented member',
    { members: [genesis, second, joinRecord({ operator: stranger, address: '10.0.0.7' })] },
    /no operator of this cluster/,
  ],
  [
    'a member of another cluster',
    { members: [genesis, second, joinRecord({ grant: { cluster: '0b'.repeat(16) } })] },
    /another cluster/,
  ],
  [
    'a member whose address was moved',
    { members: [genesis, second, { ...joinRecord({ address: '10.0.0.7' }), address: '10.0.0.99' }] },
    /sign for its address itself/,
  ],
  [
    'a hold that an operator signed, and dated behind its dismissal',
    { appointment: dismissed, holds: [signedBy(operator, hold)] },
    /no operator of this cluster/,
  ],
  [
    'a list of operators by a stranger',
    { appointment: signedBy(stranger, dismissed.text) },
    /the authority is/,
  ],
]

for (const [what, membership, why] of leftOut)
  t.test(`enterCluster() leaves out, and says so: ${what}`, async t => {
    const entered = enterCluster(judged({ membership }))
    t.match(entered.leftOut, [{ why }])
    t.same(
      present(entered.membership)
        .map(one => one.address)
        .toSorted(),
      ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
    )
    t.equal(entered.membership.holds.size, 0)
  })

for (const [why, value, message] of refused)
  t.test(`enterCluster() refuses: ${why}`, async t => t.throws(() => enterCluster(value), { message }))
