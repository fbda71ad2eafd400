import { randomBytes } from 'node:crypto'
import t from 'tap'
import { acknowledge } from '../../../agent/enroll/commit.ts'
import { type Judged, checkClaim, judgeCompletion } from '../../../agent/enroll/judge.ts'
import { endSession } from '../../../agent/enroll/session.ts'
import { sealClaim } from '../../../protocol/cluster/joining.ts'
import { verifyAcknowledgement } from '../../../protocol/completion.ts'
import { toBase64url, formatTime } from '../../../protocol/fields.ts'
import { checkHelloTime, enrollmentCode, helloSchema, nodeIdOf } from '../../../protocol/hello.ts'
import { publicOf } from '../../../protocol/keys.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { signText } from '../../../protocol/wallet.ts'
import { type Changes, completionFor, configFor, freshSession, otherWord, ownerOf } from './samples.ts'
import { stranger, tampered, wallet } from './samples.ts'

const session = await freshSession()
const other = await freshSession()
const now = new Date()

t.test('newSession() offers a good hello, and the code that stands for it', async t => {
  t.same(helloSchema.parse(session.hello), session.hello)
  t.equal(session.code, await enrollmentCode(session.hello))
  t.match(session.claim, /^[0-9A-HJKMNP-TV-Z]{6}$/)
  t.doesNotThrow(() => {
    checkHelloTime(session.hello, now)
  })
  t.equal(session.endsMs, 15 * 60_000)
})

t.test('the keys of a session are those of its hello, and not those of another', async t => {
  const { enrollment, wireguard, identity, lease } = session.keys
  t.equal(toBase64url(publicOf('x25519', enrollment.privateKey)), session.hello.enrollment)
  t.equal(publicOf('x25519', wireguard.privateKey).toString('base64'), session.hello.wireguard)
  t.equal(toBase64url(publicOf('ed25519', identity.privateKey)), session.hello.identity)
  t.equal(toBase64url(publicOf('ed25519', lease.privateKey)), session.hello.lease)
  const all = [session, other].flatMap(of =>
    Object.values(of.keys).map(pair => pair.privateKey.toString('hex')),
  )
  t.equal(new Set(all).size, 8)
  t.not(session.code, other.code)
})

t.test('endSession() wipes every private key', async t => {
  const ended = await freshSession()
  endSession(ended)
  for (const { privateKey } of Object.values(ended.keys)) t.ok(privateKey.equals(Buffer.alloc(32)))
})

t.test(
  'a completion of the owner is accepted, with the claim word or without where the owner is named',
  async t => {
    const { completion, sealed } = completionFor(session)
    const accepted = await judgeCompletion(completion, { session, owner: undefined, now })
    t.equal(accepted.grant.owner, ownerOf(wallet))
    t.equal(accepted.session, session)
    t.same(accepted.config, configFor())
    t.doesNotThrow(() => {
      checkClaim(accepted)
    })
    t.equal(sealed.openReply(accepted.sealReply(Buffer.from('yes'))).toString(), 'yes')
    const named = completionFor(session, { claim: undefined }).completion
    await t.resolves(judgeCompletion(named, { session, owner: ownerOf(wallet).toLowerCase(), now }))
  },
)

const at = (minutes: number) => formatTime(new Date(now.getTime() + minutes * 60_000))
const config = configFor()
const refusals: readonly (readonly [why: string, changes: Changes, message: RegExp, owner?: string])[] = [
  ['a grant for another hello', { hello: other.hello, code: other.code }, /another hello/],
  ['a grant with the code of another node', { code: other.code }, /another enrollment code/],
  ['a grant that has expired', { grant: { issued: at(-20), expires: at(-10) } }, /expired/],
  ['a grant of the future', { grant: { issued: at(20), expires: at(30) } }, /in the future/],
  ['a grant that lives for a day', { grant: { expires: at(1440) } }, /must live at most/],
  ['a genesis with a token', { grant: { tokenHash: 'a'.repeat(64) } }, /has no token/],
  ['a stranger where the file names the owner', { key: stranger }, /the owner is/, ownerOf(wallet)],
  ['another cluster than that of the grant', { grant: { cluster: 'f'.repeat(32) } }, /another cluster/],
  ['no JSON', { plaintext: 'SECRET not JSON' }, /^Cannot accept configuration: it is not JSON$/],
  ['nothing', { plaintext: '' }, /it is not JSON/],
  ['null', { plaintext: 'null' }, /Cannot accept configuration/],
  [
    'a field too many',
    { plaintext: JSON.stringify({ ...config, postUp: 'x' }) },
    /Cannot accept configuration/,
  ],
  [
    'no cluster secret',
    { plaintext: JSON.stringify({ ...config, clusterSecret: undefined }) },
    /clusterSecret/,
  ],
  [
    'a claim word where those who seal the configuration could read it',
    { plaintext: JSON.stringify({ ...config, claim: session.claim }) },
    /Cannot accept configuration/,
  ],
]

for (const [why, changes, message, owner] of refusals)
  t.test(`judgeCompletion() refuses: ${why}`, async t => {
    const { completion } = completionFor(session, changes)
    await t.rejects(judgeCompletion(completion, { session, owner, now }), { message })
  })

t.test('judgeCompletion() quotes nothing of what was sealed', async t => {
  const { completion } = completionFor(session, { plaintext: `${session.claim} {` })
  const error = await judgeCompletion(completion, { session, owner: undefined, now }).then(() => '', String)
  t.notMatch(error, session.claim)
})

const good = completionFor(session).completion
const second = completionFor(session).completion
const altered = [
  ['the box', { ...good, box: tampered(good.box) }],
  ['the end of the box', { ...good, box: `${good.box.slice(0, -4)}AAAA` }],
  ['a box too short', { ...good, box: 'AAAA' }],
  ['the box of another completion', { ...good, box: second.box }],
  ['the ephemeral key', { ...good, ephemeral: second.ephemeral }],
  ['an ephemeral key of low order', { ...good, ephemeral: toBase64url(Buffer.alloc(32)) }],
  ['the grant of another completion', { ...good, grant: second.grant }],
  ['the signature', { ...good, grant: { ...good.grant, signature: second.grant.signature } }],
  ['a signature that is none', { ...good, grant: { ...good.grant, signature: `0x${'0'.repeat(130)}` } }],
  ['the text of the grant', { ...good, grant: { ...good.grant, text: good.grant.text.replace('.7', '.8') } }],
] as const

for (const [what, completion] of altered)
  t.test(`a completion does not survive a change of ${what}`, async t => {
    await t.rejects(judgeCompletion(completion, { session, owner: ownerOf(wallet), now }), Error)
  })

t.test('the keys of a session that is over open nothing', async t => {
  const ended = await freshSession()
  const { completion } = completionFor(ended)
  endSession(ended)
  await t.rejects(judgeCompletion(completion, { session: ended, owner: undefined, now }))
})

const claimed = (claim: string | undefined): Judged => {
  const { v, grant, ephemeral, box } = good
  const completion = { v, grant, ephemeral, box, ...(claim === undefined ? {} : { claim }) }
  return { ...accepted, completion }
}
const accepted = await judgeCompletion(good, { session, owner: undefined, now })
const of = { hello: session.hello, grant: good.grant }
const right = sealClaim(session.claim, of)
const wrong = [
  ['none', undefined],
  ['an empty word', sealClaim('', of)],
  ['another word', sealClaim(otherWord(session.claim), of)],
  ['a word too short', sealClaim(session.claim.slice(1), of)],
  ['a word too long', sealClaim(`${session.claim}0`, of)],
  ['the code', sealClaim(session.code, of)],
  ['the word sealed for another grant', sealClaim(session.claim, { ...of, grant: second.grant })],
  ['the word sealed for another node', sealClaim(session.claim, { ...of, hello: other.hello })],
  ['an altered box', tampered(right)],
  ['a box too short', right.slice(0, 40)],
  ['the word without a box', Buffer.from(session.claim).toString('base64url')],
] as const
for (const [what, claim] of wrong)
  t.test(`checkClaim() refuses, in the same words: ${what}`, async t => {
    t.throws(
      () => {
        checkClaim(claimed(claim))
      },
      { message: 'Cannot accept completion: the claim word is wrong; it stands on the console' },
    )
  })

t.test('a grant that was signed again by another wallet does not take the word along', async t => {
  const { kind, tokenHash } = { kind: 'join', tokenHash: 'a'.repeat(64) } as const
  const { completion } = completionFor(session, { grant: { kind, tokenHash } })
  const { text } = completion.grant
  const stolen = { ...completion, grant: { text, signature: signText(text, stranger) } }
  const judged = await judgeCompletion(stolen, { session, owner: undefined, now })
  t.equal(judged.grant.owner, ownerOf(stranger))
  t.throws(
    () => {
      checkClaim(judged)
    },
    { message: /claim word is wrong/ },
  )
})

t.test('checkClaim() takes the word as a person may have typed it', async t => {
  const typed = sealClaim(`${session.claim.slice(0, 3)}-${session.claim.slice(3).toLowerCase()}`, of)
  t.doesNotThrow(() => {
    checkClaim(claimed(typed))
  })
})

t.test('acknowledge() signs what the operator checks', async t => {
  const { privateKey, publicKey } = session.keys.identity
  const record: NodeRecord = {
    v: 1,
    revision: 1,
    nodeId: nodeIdOf(publicKey),
    cluster: config.cluster,
    owner: ownerOf(wallet),
    ownerPublicKey: toBase64url(randomBytes(65)),
    grant: good.grant,
    hello: session.hello,
    wireguard: { privateKey: session.keys.wireguard.privateKey.toString('base64'), ...config.wireguard },
    identityPrivate: toBase64url(privateKey),
    agentToken: 'ab'.repeat(32),
    luksUuid: '01234567-89ab-4cde-8f01-23456789abcd',
    authority: ownerOf(wallet),
    membership: { members: [], departures: [] },
    endpoints: [],
    sharesKey: toBase64url(randomBytes(32)),
    openings: { current: { kind: 'escrow', keyslot: 0, number: 1 } },
    enrolledAt: at(0),
    lastOrder: 0,
  }
  const expected = { hello: session.hello, owner: ownerOf(wallet), cluster: config.cluster }
  const acknowledgement = verifyAcknowledgement(acknowledge(record), expected)
  t.equal(acknowledgement.agentToken, record.agentToken)
  t.notMatch(JSON.stringify(acknowledgement), record.identityPrivate)
  t.notMatch(JSON.stringify(acknowledgement), record.wireguard.privateKey)
  t.throws(() => verifyAcknowledgement(acknowledge(record), { ...expected, hello: other.hello }))
})
