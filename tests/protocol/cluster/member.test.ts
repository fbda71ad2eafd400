import { randomBytes } from 'node:crypto'
import t from 'tap'
import {
  formatInvite,
  type Invite,
  inviteKey,
  parseInvite,
  tokenHash,
} from '../../../protocol/cluster/invite.ts'
import { checkMember, type MemberRecord, ownerOf, signMember } from '../../../protocol/cluster/member.ts'
import { composeVoucher, parseVoucher } from '../../../protocol/cluster/voucher.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
  trust,
} from './sample.ts'

const operator = newWallet()
const withOperator = { ...trust, number: 1, operators: [{ address: operator.address }] }

t.test('checkMember() takes a genesis and says who owns it', async t => {
  const node = newNode()
  const member = checkMember(genesisRecord({ node }), trust)
  t.match(member, { nodeId: node.nodeId, address: '10.0.0.1' })
  t.equal(ownerOf(member.record), authority.address)
})

t.test('checkMember() takes a node whose owner is nobody but was invited', async t => {
  const owner = newWallet()
  t.equal(ownerOf(checkMember(joinRecord({ owner }), trust).record), owner.address)
  t.equal(ownerOf(checkMember(joinRecord({ owner, operator }), withOperator).record), owner.address)
})

t.test('a member stays one after its operator has retired, if it was invited before', async t => {
  const retired = {
    ...withOperator,
    operators: [{ address: operator.address, retired: '2026-11-21T08:00:01Z' }],
  }
  t.ok(checkMember(joinRecord({ operator }), retired))
  const before = {
    ...withOperator,
    operators: [{ address: operator.address, retired: '2026-11-21T08:00:00Z' }],
  }
  t.throws(() => checkMember(joinRecord({ operator }), before), /no operator/)
})

const changed = (record: MemberRecord, changes: object) => ({ ...record, ...changes })
const good = joinRecord()
const another = joinRecord()
const spied = randomBytes(32)
const stolen = newNode()

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ['one that nobody invited', changed(good, { invite: undefined }), /nobody invited it/],
  ['one with the invite of another', changed(good, { invite: another.invite }), /voucher is for another/],
  ['one invited by a stranger', joinRecord({ operator: newWallet() }), /no operator of this cluster/],
  [
    'one invited into another cluster',
    joinRecord({ voucher: { cluster: '0b'.repeat(16) } }),
    /another cluster/,
  ],
  ['one of another cluster', joinRecord({ grant: { cluster: '0b'.repeat(16) } }), /another cluster/],
  [
    'one whose grant names another authority',
    joinRecord({ grant: { authority: newWallet().address } }),
    /another authority/,
  ],
  [
    'one whose gateway knew the hash of the invite, but not the token',
    joinRecord({ token: spied, voucher: { tokenHash: tokenHash(inviteKey(randomBytes(32)).publicKey) } }),
    /voucher is for another/,
  ],
  ['one whose grant is for other keys', changed(good, { hello: newNode().hello }), /for other keys/],
  [
    'one whose grant came after its voucher',
    joinRecord({ grant: { issued: '2026-11-21T08:15:01Z', expires: '2026-11-21T08:20:00Z' } }),
    /while its voucher was good/,
  ],
  [
    'one whose grant came before its voucher',
    joinRecord({ grant: { issued: '2026-11-21T07:59:59Z' } }),
    /while its voucher was good/,
  ],
  [
    'one with a voucher for a month',
    joinRecord({ voucher: { expires: '2026-12-21T08:00:00Z' } }),
    /at most 168 hours/,
  ],
  ['a genesis of a stranger', genesisRecord({ owner: newWallet() }), /not the authority/],
  ['a genesis with an invite', changed(genesisRecord(), { invite: good.invite }), /no invite/],
  ['one whose address was moved', changed(good, { address: '10.0.0.3' }), /sign for its address itself/],
  ['one whose address a thief of its identity signed', identitySigned(), /sign for its address itself/],
  ['one with another signature', changed(good, { signature: another.signature }), /sign for its address/],
  ['one with an unknown field', changed(good, { extra: 1 }), /extra/],
  ['no object', 'member', /expected object/],
]

function identitySigned(): MemberRecord {
  const { hello, grant, invite } = joinRecord({ node: stolen })
  return signMember({ hello, grant, invite, address: '10.0.0.9' }, stolen.keys.identity.privateKey)
}

for (const [why, value, message] of refused)
  t.test(`checkMember() refuses: ${why}`, async t => t.throws(() => checkMember(value, trust), { message }))

t.test('checkMember() sees an altered voucher or grant, because the signer becomes another', async t => {
  for (const part of ['voucher', 'grant'] as const) {
    const record = structuredClone(good) as { grant: { text: string }; invite: { voucher: { text: string } } }
    const text = part === 'grant' ? record.grant : record.invite.voucher
    text.text = text.text.replace('08:15:00Z', '08:14:00Z')
    t.throws(() => checkMember(record, trust))
  }
})

const invite: Invite = {
  u: 'https://gateway.example',
  t: 'ab'.repeat(32),
  f: 'cd'.repeat(32),
  s: 'gateway.example',
  c: cluster,
  a: authority.address,
}

t.test('parseInvite() reads what formatInvite() wrote', async t => {
  t.match(formatInvite(invite), /^orama1_[A-Za-z0-9_-]+$/)
  t.same(parseInvite(formatInvite(invite)), invite)
})

const encode = (value: unknown) => `orama1_${Buffer.from(JSON.stringify(value)).toString('base64url')}`
const unread: readonly (readonly [string, string])[] = [
  ['a bare token', 'ab'.repeat(32)],
  ['half of it', formatInvite(invite).slice(0, 100)],
  ['no JSON', 'orama1_AAAA'],
  ['http', encode({ ...invite, u: 'http://gateway.example' })],
  ['a token of 31 bytes', encode({ ...invite, t: 'ab'.repeat(31) })],
  ['an unknown field', encode({ ...invite, x: 1 })],
  ['no cluster', encode({ ...invite, c: undefined })],
  ['3 KiB', formatInvite(invite) + 'A'.repeat(3072)],
]

for (const [why, text] of unread)
  t.test(`parseInvite() refuses ${why}, and does not repeat it`, async t => {
    t.throws(() => parseInvite(text), { name: 'SyntaxError', message: /^Cannot read invite: [^{]*$/ })
  })

t.test('parseVoucher() reads only what composeVoucher() writes', async t => {
  const voucher = {
    cluster,
    tokenHash: 'ab'.repeat(32),
    issued: '2026-11-21T08:00:00Z',
    expires: '2026-11-21T09:00:00Z',
  }
  const text = composeVoucher(voucher)
  t.same(parseVoucher(text), voucher)
  const wrong = [
    `${text}\n`,
    text.replace('voucher v1', 'voucher v2'),
    text.replace('abab', 'ABAB'),
    `${text}${' '.repeat(1024)}`,
  ]
  for (const one of wrong) t.throws(() => parseVoucher(one), { name: 'SyntaxError' })
  t.ok(signedBy(authority, text))
})
