import t from 'tap'
import { inviteEntrySchema, inviteListSchema } from '../../../protocol/cluster/joining.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { composeAppointment, type Operator } from '../../../protocol/cluster/trust.ts'
import { signToken } from '../../../services/gateway/jwt.ts'
import { signInKeys } from '../../../services/gateway/sign-in.ts'
import { authority, cluster, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { inMinutes, type Invited, invited } from './enroll/played-waiting.ts'
import { memoryRegistry, origin, running, signedIn } from './enroll/running.ts'
import { gatewayKey } from './samples.ts'

type Gateway = Awaited<ReturnType<typeof running>>
type Headers = Awaited<ReturnType<typeof signedIn>>

const post = ({ ask }: Gateway, headers: Headers | object, [route, value]: readonly [string, unknown]) =>
  ask('POST', `/v1/operator/${route}`, { headers: { ...headers }, body: JSON.stringify(value) })

t.test('an operator stores an invite, sees it, and takes it back', async t => {
  const gateway = await running(t)
  const headers = await signedIn(gateway)
  const { voucher, tokenHash } = invited()
  const stored = await post(gateway, headers, ['invite', { voucher }])
  t.equal(stored.status, 201)
  const entry = inviteEntrySchema.parse(JSON.parse(stored.body))
  t.match(entry, { tokenHash, state: 'open', operator: authority.address })
  t.equal((await post(gateway, headers, ['invite', { voucher }])).status, 201, 'also twice')
  const list = await gateway.ask('GET', '/v1/operator/invites', { headers })
  t.same(inviteListSchema.parse(JSON.parse(list.body)).invites, [entry])
  const revoked = await post(gateway, headers, ['revoke', { tokenHash }])
  t.match(inviteEntrySchema.parse(JSON.parse(revoked.body)), { tokenHash, state: 'revoked' })
  const { entries } = await gateway.registry.audit.page(5)
  t.same(
    entries.map(({ who, what, outcome }) => [who, what, outcome]),
    [
      [authority.address, `revoke ${tokenHash}`, 'revoked'],
      [authority.address, `invite ${tokenHash}`, 'stored'],
      [authority.address, `invite ${tokenHash}`, 'stored'],
      [authority.address, 'sign in', 'signed in'],
    ],
  )
})

t.test(
  'an appointed operator signs in and invites; dismissed it does neither, nor does its token',
  async t => {
    const registry = await memoryRegistry(t)
    const operator = newWallet()
    const list = (number: number, one: Operator) => {
      const text = composeAppointment({ cluster, number, operators: [one], issued: inMinutes(0) })
      return registry.members.add({ ...noMembers, appointment: signedBy(authority, text) }, new Date())
    }
    const { address } = operator
    await list(1, { address })
    const gateway = await running(t, { registry })
    const headers = await signedIn(gateway, operator)
    const { voucher } = invited({}, operator)
    t.equal((await post(gateway, headers, ['invite', { voucher }])).status, 201)
    await list(2, { address, retired: inMinutes(-10) })
    const after = await running(t, { registry })
    t.equal((await post(after, headers, ['invite', { voucher: invited({}, operator).voucher }])).status, 403)
    t.equal((await after.ask('GET', '/v1/operator/invites', { headers })).status, 403)
    t.equal((await post(after, {}, ['challenge', { address }])).status, 403)
    const brought = await post(after, await signedIn(after), [
      'invite',
      { voucher: invited({}, operator).voucher },
    ])
    t.match(brought, { status: 403, body: /no operator/ }, 'nor does it count where somebody else brings it')
  },
)

const known = invited()
const twin = (of: Invited) => invited({ tokenHash: of.tokenHash, expires: inMinutes(30) }).voucher
const refused: readonly (readonly [string, number, readonly [string, unknown]])[] = [
  ['a voucher of a stranger', 403, ['invite', { voucher: invited({}, newWallet()).voucher }]],
  [
    'a voucher for another cluster',
    403,
    ['invite', { voucher: invited({ cluster: '0b'.repeat(16) }).voucher }],
  ],
  [
    'a voucher that lives too long',
    403,
    ['invite', { voucher: invited({ expires: inMinutes(20_000) }).voucher }],
  ],
  ['a voucher that has expired', 410, ['invite', { voucher: invited({ expires: inMinutes(-1) }).voucher }]],
  ['another voucher for a token', 409, ['invite', { voucher: twin(known) }]],
  ['a text of something else', 400, ['invite', { voucher: signedBy(authority, 'OramaOS order v1') }]],
  ['a token', 400, ['invite', { voucher: known.voucher, token: '00'.repeat(32) }]],
  ['a body of 5 KB', 413, ['invite', { voucher: known.voucher, more: 'x'.repeat(5000) }]],
  ['taking back what nobody knows', 404, ['revoke', { tokenHash: '0'.repeat(64) }]],
  ['taking back nothing', 400, ['revoke', {}]],
  ['taking back a path', 400, ['revoke', { tokenHash: '../../x' }]],
]
for (const [why, status, request] of refused)
  t.test(`refused with ${status}: ${why}`, async t => {
    const gateway = await running(t)
    const headers = await signedIn(gateway)
    await post(gateway, headers, ['invite', { voucher: known.voucher }])
    const answer = await post(gateway, headers, request)
    t.equal(answer.status, status, answer.body)
    t.match(JSON.parse(answer.body), { error: /./, hint: /./ })
  })

t.test('an invite that was used is not taken back', async t => {
  const gateway = await running(t)
  const headers = await signedIn(gateway)
  const { voucher, tokenHash } = invited()
  await post(gateway, headers, ['invite', { voucher }])
  const taken = { tokenHash, hello: '1'.repeat(64), until: new Date(Date.now() + 60_000) }
  await gateway.registry.invites.reserve(taken, new Date())
  await gateway.registry.invites.spend(taken, new Date())
  t.equal((await post(gateway, headers, ['revoke', { tokenHash }])).status, 409)
})

const seconds = Math.floor(Date.now() / 1000)
const claims = {
  ...{ iss: cluster, aud: origin, sub: authority.address, jti: '0'.repeat(32) },
  ...{ iat: seconds - 10, exp: seconds + 600 },
}
const { token: key } = signInKeys(gatewayKey)
const tokens: readonly (readonly [string, string | undefined])[] = [
  ['nobody', undefined],
  ['an operator of another cluster', signToken({ ...claims, iss: '0b'.repeat(16) }, key)],
  ['one whose token another cluster signed', signToken(claims, signInKeys(Buffer.alloc(32, 9)).token)],
  ['an operator at another gateway', signToken({ ...claims, aud: 'https://gateway.example' }, key)],
  ['one whose token has expired', signToken({ ...claims, iat: seconds - 700, exp: seconds - 1 }, key)],
]
for (const [who, token] of tokens)
  t.test(`refused with 401: ${who}`, async t => {
    const gateway = await running(t)
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    for (const request of [
      ['invite', { voucher: known.voucher }],
      ['revoke', { tokenHash: known.tokenHash }],
    ] as const)
      t.equal((await post(gateway, headers, request)).status, 401)
    t.equal((await gateway.ask('GET', '/v1/operator/invites', { headers })).status, 401)
    t.equal((await gateway.ask('GET', '/v1/node/list', { headers })).status, 401)
  })
