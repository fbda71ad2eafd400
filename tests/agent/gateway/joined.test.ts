import { randomBytes } from 'node:crypto'
import t from 'tap'
import { gatewayDesk } from '../../../agent/gateway/desk.ts'
import { signMember } from '../../../protocol/cluster/member.ts'
import type { Acknowledgement } from '../../../protocol/completion.ts'
import { helloHash } from '../../../protocol/hello.ts'
import type { CompletionAnswer } from '../../../protocol/requests.ts'
import { joinRecord, newWallet } from '../../protocol/cluster/sample.ts'
import { admissionFor, agentSide, answerOf, newcomer, nowMs } from './samples.ts'

const session = await newcomer()
const other = await newcomer()
const hello = helloHash(session.hello)

/** A desk that has admitted a node, and what that node answers. */
async function admitted(facts: Partial<Acknowledgement> = {}) {
  const sides = agentSide()
  const desk = gatewayDesk(sides.side)
  const admission = admissionFor(session)
  const { completion } = await desk.join(admission)
  return { ...sides, desk, admission, ...(await answerOf(session, completion, facts)) }
}

t.test('who has joined is a member, at once and for all, and again when that is asked again', async t => {
  const { desk, answer, acknowledgement, heard, view, logged } = await admitted()
  t.same(await desk.joined({ hello, answer }), { acknowledgement })
  t.same(heard, [{ membership: { members: [answer.member], departures: [] }, endpoints: [] }])
  t.equal(view.addressOf(acknowledgement.nodeId), '10.0.0.2')
  t.match(logged.at(-1), /^gateway: n\w+ has joined at 10\.0\.0\.2$/)
  t.same(await desk.joined({ hello, answer }), { acknowledgement })
  t.notMatch(logged.join('\n'), acknowledgement.agentToken)
})

t.test('a member that was heard of by others first is no reason to refuse it', async t => {
  const { desk, answer, acknowledgement, view } = await admitted()
  await view.hear({ membership: { members: [answer.member], departures: [] }, endpoints: [] })
  t.same(await desk.joined({ hello, answer }), { acknowledgement })
})

t.test('once a node has joined it is not admitted again', async t => {
  const { desk, answer, admission } = await admitted()
  await desk.joined({ hello, answer })
  await t.rejects(desk.join(admission), { status: 403, message: /is or was a member/ })
})

t.test('an answer to an earlier completion for the same hello opens no more', async t => {
  const { desk, answer, admission } = await admitted()
  const { completion } = await desk.join(admission)
  await t.rejects(desk.joined({ hello, answer }), { status: 403, message: /Cannot open box/ })
  const next = await answerOf(session, completion)
  await t.resolves(desk.joined({ hello, answer: next.answer }))
})

t.test('when the grant is over nobody was admitted', async t => {
  const { desk, answer, world, heard } = await admitted()
  world.nowMs = nowMs + 11 * 60_000
  await t.rejects(desk.joined({ hello, answer }), { status: 403, message: /no such node was admitted/ })
  t.same(heard, [])
})

type Answered = Awaited<ReturnType<typeof admitted>>
const moved = ({ answer: { v, box, member }, admission: { grant, invite } }: Answered): CompletionAnswer => {
  const facts = { hello: session.hello, grant, invite, address: '10.0.0.7' }
  const record = signMember(facts, session.keys.lease.privateKey)
  t.not(record.address, member.address)
  return { v, box, member: record }
}

const refused: readonly (readonly [
  string,
  (given: Answered) => CompletionAnswer | Promise<CompletionAnswer>,
  RegExp,
  Partial<Acknowledgement>?,
])[] = [
  [
    'a box of rubbish',
    ({ answer }) => ({ ...answer, box: randomBytes(400).toString('base64url') }),
    /open box/,
  ],
  ['a box too short', ({ answer }) => ({ ...answer, box: 'AAAA' }), /too short/],
  [
    'a box that holds no JSON',
    ({ answer, judged }) => ({ ...answer, box: judged.sealReply(Buffer.from('SECRET')) }),
    /^Cannot accept acknowledgement: it is not JSON$/,
  ],
  [
    'a box that holds something else',
    ({ answer, judged }) => ({ ...answer, box: judged.sealReply(Buffer.from('{"v":1}')) }),
    /./,
  ],
  ['the acknowledgement of another owner', ({ answer }) => answer, /owner/, { owner: newWallet().address }],
  ['that of another hello', ({ answer }) => answer, /hello/, { hello: helloHash(other.hello) }],
  ['that of another cluster', ({ answer }) => answer, /cluster/, { cluster: 'f'.repeat(32) }],
  [
    'that of another address',
    ({ answer }) => answer,
    /another address/,
    { wireguard: { publicKey: session.hello.wireguard, address: '10.0.0.7' } },
  ],
  ['the record of another node', ({ answer }) => ({ ...answer, member: joinRecord() }), /not the node/],
  ['a record at another address', moved, /not at the address/],
  [
    'a record that the node did not sign',
    ({ answer }) => ({ ...answer, member: { ...answer.member, signature: joinRecord().signature } }),
    /did not sign for its address/,
  ],
  [
    'a record without an invite',
    ({ answer }) => {
      const { invite, ...member } = answer.member
      t.ok(invite)
      return { ...answer, member }
    },
    /nobody invited it/,
  ],
  [
    'a node whose address another has taken meanwhile',
    async ({ answer, view }) => {
      const rival = joinRecord({ address: '10.0.0.2' })
      await view.hear({ membership: { members: [rival], departures: [] }, endpoints: [] })
      return answer
    },
    /has its address/,
  ],
]

for (const [why, answer, message, facts] of refused)
  t.test(`POST /joined refuses: ${why}`, async t => {
    const given = await admitted(facts)
    const sent = await answer(given)
    await t.rejects(given.desk.joined({ hello, answer: sent }), { status: 403, message })
    t.match(given.logged.at(-1), /^gateway: refused: /)
    t.notMatch(given.logged.join('\n'), 'SECRET')
    t.same(given.heard, [])
  })

t.test('POST /joined refuses the answer of a node that was not admitted here', async t => {
  const { answer } = await admitted()
  const { side } = agentSide()
  await t.rejects(gatewayDesk(side).joined({ hello, answer }), { status: 403, message: /no such node/ })
})
