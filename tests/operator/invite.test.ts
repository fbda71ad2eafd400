import t from 'tap'
import { inviteKey, parseInvite, tokenHash } from '../../protocol/cluster/invite.ts'
import { soleAuthority } from '../../protocol/cluster/trust.ts'
import { checkVoucher } from '../../protocol/cluster/voucher.ts'
import { addLine, cluster, fingerprint, origin, withGateway } from './gateway.ts'
import { orama, owner } from './support.ts'

const line = ['node', 'invite', '--passphrase-fd', '3']

t.test('invite prints the invite alone, for which the wallet vouched', async t => {
  const { gateway, setting } = await withGateway(t)
  const ran = await orama(setting, ...line, '--hours', '2')
  t.equal(ran.code, 0, ran.err)
  t.match(ran.out, /^orama1_[\w-]+\n$/)
  const invite = parseInvite(ran.out.trim())
  t.match(invite, { u: origin, f: fingerprint, c: cluster, a: owner })
  const [voucher] = gateway.vouchers
  const checked = checkVoucher(
    voucher ?? { text: '', signature: '' },
    soleAuthority({ cluster, authority: owner }),
  )
  t.equal(checked.tokenHash, tokenHash(inviteKey(Buffer.from(invite.t, 'hex')).publicKey))
  t.equal(checked.expires, '2026-11-21T10:01:00Z')
  for (const secret of [invite.t, ran.out.trim()]) {
    t.notMatch(ran.err, secret)
    t.notOk(
      gateway.asked.some(({ body }) => body.includes(secret)),
      'the gateway does not learn it',
    )
  }
})

t.test('each invite is another, and --json says what it is', async t => {
  const { setting } = await withGateway(t)
  const [one, other] = [await orama(setting, ...line, '--json'), await orama(setting, ...line, '--json')]
  const parsed = JSON.parse(one.out) as { invite: string; tokenHash: string }
  t.match(parsed, { expires: '2026-11-22T08:01:00Z' })
  t.not(parsed.invite, (JSON.parse(other.out) as { invite: string }).invite)
  const { out } = await orama(setting, 'node', 'invites')
  t.match(out, new RegExp(`^hash +state +expires +operator\n${parsed.tokenHash}  open`))
  const ran = await orama(setting, 'node', 'revoke-invite', parsed.tokenHash)
  t.equal(ran.code, 0, ran.err)
  t.match(ran.out, 'revoked')
})

t.test('an invite that the gateway did not take is not printed', async t => {
  const { gateway, setting } = await withGateway(t)
  for (const [change, code] of [
    [{ state: 'expired' }, 1],
    [{ tokenHash: 'ab'.repeat(32) }, 1],
    [{ state: 'happy' }, 1],
  ] as const) {
    const entry = {
      tokenHash: 'ab'.repeat(32),
      operator: owner,
      issued: '2026-11-21T08:00:00Z',
      expires: '2026-11-21T09:00:00Z',
      state: 'open',
    }
    gateway.behaviour.answers = {
      'POST /v1/operator/invite': () => ({ status: 201, body: { ...entry, ...change } }),
    }
    const ran = await orama(setting, ...line)
    t.equal(ran.code, code)
    t.equal(ran.out, '')
  }
})

const usage: readonly (readonly [string, readonly string[]])[] = [
  ['no hours', [...line, '--hours', '0']],
  ['more than a week', [...line, '--hours', '168']],
  ['an environment that is not there', [...line, '--env', 'work']],
  ['a hash that is none', ['node', 'revoke-invite', 'abc']],
  ['no hash', ['node', 'revoke-invite']],
]

for (const [why, words] of usage)
  t.test(`a command line is refused: ${why}`, async t => {
    const { gateway, setting } = await withGateway(t)
    t.equal((await orama(setting, ...words)).code, 2)
    t.same(gateway.asked, [])
  })

t.test('of two environments one has to be named', async t => {
  const { setting } = await withGateway(t)
  const second = addLine.map(word => (word === 'home' ? 'work' : word))
  t.equal((await orama(setting, ...second)).code, 0)
  const ran = await orama(setting, ...line)
  t.equal(ran.code, 2)
  t.match(ran.err, /between environments home, work/)
  t.equal((await orama(setting, ...line, '--env', 'work')).code, 0)
})

t.test('an unknown invite is the refusal of the gateway', async t => {
  const { setting } = await withGateway(t)
  const ran = await orama(setting, 'node', 'revoke-invite', 'ab'.repeat(32), '--passphrase-fd', '3')
  t.equal(ran.code, 3)
  t.match(ran.err, /The gateway refused: no such invite\nhint: look at the list/)
})
