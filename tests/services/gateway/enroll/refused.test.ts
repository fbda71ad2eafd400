import type { RequestListener } from 'node:http'
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { HttpError } from '../../../../http/error.ts'
import { proveInvite } from '../../../../protocol/cluster/invite.ts'
import type { JoinRequest } from '../../../../protocol/cluster/joining.ts'
import { helloHash } from '../../../../protocol/hello.ts'
import { RegistryAwayError } from '../../../../services/gateway/registry/database.ts'
import type { Registry } from '../../../../services/gateway/registry/registry.ts'
import { newWallet } from '../../../protocol/cluster/sample.ts'
import {
  enrolled,
  type Invited,
  inMinutes,
  invited,
  newWaiting,
  requestFor,
  strangeNode,
  waitingNode,
} from './played-waiting.ts'
import { memoryRegistry, running, storedInvite } from './running.ts'

const session = await newWaiting()
const other = await newWaiting()
const soon = () => new Date(Date.now() + 600_000)
const stateOf = async (registry: Registry, { tokenHash }: Invited) =>
  (await registry.invites.entry(tokenHash, new Date()))?.state

type Refused = readonly [
  why: string,
  status: number,
  request: (invite: Invited) => object,
  before?: (registry: Registry, invite: Invited) => Promise<unknown>,
]
const good = (invite: Invited) => requestFor(session, invite)
const granted = (changes: Parameters<typeof requestFor>[2]) => (invite: Invited) =>
  requestFor(session, invite, changes)
const changed = (changes: Partial<JoinRequest>) => (invite: Invited) => ({ ...good(invite), ...changes })
const taking = ({ tokenHash }: Invited) => ({ tokenHash, hello: helloHash(other.hello), until: soon() })
const strangers = invited()
const otherCluster = { cluster: '0b'.repeat(16) }
const elsewhere = invited(otherCluster, newWallet())

const refused: readonly Refused[] = [
  ['an invite that nobody knows', 404, () => requestFor(session, invited())],
  ['the invite of another cluster', 404, () => requestFor(session, elsewhere)],
  ['the invite of another cluster, for it', 403, () => requestFor(session, elsewhere, otherCluster)],
  [
    'an invite that was used',
    409,
    good,
    async ({ invites }, invite) => {
      await invites.reserve(taking(invite), new Date())
      await invites.spend(taking(invite), new Date())
    },
  ],
  [
    'an invite that another has',
    409,
    good,
    ({ invites }, invite) => invites.reserve(taking(invite), new Date()),
  ],
  [
    'an invite that was taken back',
    410,
    good,
    ({ invites }, { tokenHash }) => invites.revoke(tokenHash, new Date()),
  ],
  ['a grant for another cluster', 403, granted({ cluster: '0b'.repeat(16) })],
  ['a grant with another authority', 403, granted({ authority: newWallet().address })],
  ['a grant with another gateway key', 403, granted({ gatewayKey: session.hello.enrollment })],
  ['a grant for a genesis', 403, granted({ kind: 'genesis' })],
  ['a grant for another hello', 403, granted({ hello: helloHash(other.hello) })],
  ['a grant that has expired', 403, granted({ expires: inMinutes(-1) })],
  // Not 61: this was reckoned when the file was read, and a busy machine may get here minutes later.
  ['a grant that lives too long', 403, granted({ expires: inMinutes(600) })],
  [
    'the token of another invite',
    403,
    invite => changed({ proof: requestFor(session, strangers).proof })(invite),
  ],
  [
    'a token that means another grant',
    403,
    invite => changed({ proof: proveInvite(invite.token, 'another') })(invite),
  ],
  [
    'who has no more of the token than a member record has',
    403,
    invite => changed({ asking: good(invite).proof.signature })(invite),
  ],
  [
    'who asks about another grant',
    403,
    invite => changed({ asking: requestFor(session, invite, { expires: inMinutes(9) }).asking })(invite),
  ],
  ['a text that is no grant', 403, changed({ grant: { text: 'x', signature: `0x${'0'.repeat(130)}` } })],
  [
    'a hello that has expired',
    403,
    invite => {
      const old = { ...session, hello: { ...session.hello, expires: inMinutes(-1) } }
      return requestFor(old, invite)
    },
  ],
  [
    'a hello that claims more time than one has',
    403,
    invite => requestFor({ ...session, hello: { ...session.hello, expires: inMinutes(16) } }, invite),
  ],
  ['a field too many', 400, invite => ({ ...good(invite), token: '00'.repeat(32) })],
  ["who does not say that the token's holder asks", 400, invite => ({ ...good(invite), asking: undefined })],
  ['no proof', 400, invite => ({ ...good(invite), proof: undefined })],
  ['a body of 17 KB', 413, invite => ({ ...good(invite), more: 'x'.repeat(17_000) })],
]

for (const [why, status, request, before] of refused)
  t.test(`refused with ${status}, and neither agent nor node is asked: ${why}`, async t => {
    const node = () => t.fail('the node was asked')
    const port = await strangeNode(t, node)
    const { registry, agent, ask } = await running(t, { changes: { deliver: { port } } })
    const invite = await storedInvite(registry)
    await before?.(registry, invite)
    const state = await stateOf(registry, invite)
    const answer = await ask('POST', '/v1/node/enroll', { body: JSON.stringify(request(invite)) })
    t.equal(answer.status, status, answer.body)
    t.match(JSON.parse(answer.body), { error: /./, hint: /./ })
    t.same(agent.asked, [])
    t.equal(await stateOf(registry, invite), state, 'the invite is as before')
    t.same(await registry.addresses.list(new Date()), [])
    t.same((await registry.audit.page(5)).entries, [], 'strangers leave no rows')
  })

t.test('refused with 410: an invite that has expired', async t => {
  const { registry, ask } = await running(t)
  const invite = invited({ issued: inMinutes(-90), expires: inMinutes(-30) })
  const { trust } = await registry.members.membership()
  await registry.invites.add(invite.voucher, { trust, now: new Date(Date.now() - 3_600_000) })
  const { status } = await ask('POST', '/v1/node/enroll', { body: JSON.stringify(good(invite)) })
  t.equal(status, 410)
})

const says =
  (status: number, body: string | Buffer): RequestListener =>
  (request, response) => {
    request.resume().on('end', () => response.writeHead(status).end(body))
  }
const no = (error: string) => JSON.stringify({ error, hint: 'look' })

/** What the node does, what the gateway says, and what becomes of the invite. */
const nodes: readonly (readonly [string, RequestListener, number, 'open' | 'reserved', RegExp?])[] = [
  [
    'refuses',
    says(403, no('the claim word is wrong')),
    422,
    'open',
    /the node refused: the claim word is wrong/,
  ],
  ['refuses the form', says(400, no('no')), 422, 'open'],
  [
    'refuses with what a terminal would obey',
    says(403, no('\u001b[2Jred\n')),
    422,
    'open',
    /refused: {2}\[2Jred /,
  ],
  ['refuses without a word', says(404, ''), 422, 'open', /status 404/],
  ['is being enrolled', says(409, no('an enrollment is under way')), 422, 'reserved'],
  ['answers others', says(429, no('wait')), 422, 'reserved'],
  ['fails', says(500, no('formatting failed')), 422, 'reserved', /formatting failed/],
  ['sends elsewhere', says(302, ''), 422, 'reserved', /status 302/],
  ['answers rubbish', says(200, 'rubbish'), 502, 'reserved'],
  ['answers something else', says(200, '{"v":1}'), 502, 'reserved'],
  ['answers with 10 MB', says(200, Buffer.alloc(10_000_000)), 502, 'reserved'],
  ['breaks off', request => request.socket.destroy(), 502, 'reserved'],
  ['never answers', () => undefined, 504, 'reserved'],
]

for (const [what, answer, status, state, text] of nodes)
  t.test(`a node that ${what} is ${status}, and its invite is ${state}`, async t => {
    const port = await strangeNode(t, answer)
    // Long enough for all but the one that never answers.
    const answerMs = what === 'never answers' ? 500 : 30_000
    const { registry, ask } = await running(t, { changes: { deliver: { port, answerMs } } })
    const invite = await storedInvite(registry)
    const { status: said, body } = await ask('POST', '/v1/node/enroll', {
      body: JSON.stringify(good(invite)),
    })
    t.equal(said, status, body)
    if (text !== undefined) t.match((JSON.parse(body) as { error: string }).error, text)
    t.equal(await stateOf(registry, invite), state)
    t.equal((await registry.addresses.list(new Date())).length, state === 'open' ? 0 : 1)
    t.match((await registry.audit.page(5)).entries, [{ what: 'enroll', who: 'anybody' }])
  })

t.test('a node that is not there is 502', async t => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await once(closed, 'close')
  const { registry, ask } = await running(t, { changes: { deliver: { port } } })
  const invite = await storedInvite(registry)
  const { status } = await ask('POST', '/v1/node/enroll', { body: JSON.stringify(good(invite)) })
  t.equal(status, 502)
  t.equal(await stateOf(registry, invite), 'reserved')
})

t.test('an address that must not be called is refused, and nothing is kept', async t => {
  const { port } = await waitingNode(t, session, () => Promise.reject(new Error('called')))
  const whyNot = () => 'the machine itself'
  const { registry, ask } = await running(t, { changes: { deliver: { port, whyNot } } })
  const invite = await storedInvite(registry)
  const { status, body } = await ask('POST', '/v1/node/enroll', { body: JSON.stringify(good(invite)) })
  t.same([status, await stateOf(registry, invite)], [403, 'open'])
  t.match(body, /the machine itself/)
})

/** What becomes of an invite while its node formats its disk. */
const losses: readonly (readonly [string, (registry: Registry, invite: Invited) => Promise<unknown>])[] = [
  ['taken back', ({ invites }, { tokenHash }) => invites.revoke(tokenHash, new Date())],
  [
    'given to another node',
    async ({ invites }, invite) => {
      await invites.release({ tokenHash: invite.tokenHash, hello: helloHash(session.hello) }, new Date())
      await invites.reserve(taking(invite), new Date())
    },
  ],
]
for (const [what, lose] of losses)
  t.test(`a node whose invite is ${what} while it joins is 410, and no member, now or later`, async t => {
    const invite = invited()
    const { promise: made, resolve } = Promise.withResolvers<unknown>()
    const { port } = await waitingNode(t, session, async accepted => {
      resolve(accepted.member)
      await lose(registry, invite)
      return enrolled(session)(accepted)
    })
    const { registry, agent, ask } = await running(t, { changes: { deliver: { port } } })
    await storedInvite(registry, invite)
    const answer = await ask('POST', '/v1/node/enroll', { body: JSON.stringify(good(invite)) })
    t.equal(answer.status, 410, answer.body)
    t.match((await registry.audit.page(5)).entries, [{ what: 'enroll', outcome: /while the node joined/ }])
    const member = JSON.stringify({ member: await made })
    t.equal((await ask('POST', '/v1/node/member', { body: member })).status, 409, 'by its own record')
    t.equal(agent.membership().members.size, 1)
    t.equal((await registry.members.membership()).members.size, 1)
  })

t.test('a registry that is away after the node has answered takes no invite back', async t => {
  const real = await memoryRegistry(t)
  const isKept = () => Promise.reject(new RegistryAwayError('Cannot reach rqlite'))
  const registry = { ...real, invites: { ...real.invites, isKept } }
  const { port } = await waitingNode(t, session)
  const { ask } = await running(t, { registry, changes: { deliver: { port } } })
  const invite = await storedInvite(real)
  t.equal((await ask('POST', '/v1/node/enroll', { body: JSON.stringify(good(invite)) })).status, 200)
})

const thrown = (status: number, why: string) => () => {
  throw new HttpError(status, why, 'ask the agent')
}
const agents = [
  ['refuses', '/join', thrown(403, 'its address is an operator’s'), 403, 'open'],
  ['is locked', '/join', thrown(503, 'locked'), 503, 'reserved'],
  ['holds too many', '/join', thrown(429, 'too many'), 503, 'reserved'],
  ['answers nonsense', '/join', () => ({ body: { completion: {} } }), 503, 'reserved'],
  ['cannot open what the node said', '/joined', thrown(403, 'not sealed by the node'), 502, 'reserved'],
] as const

for (const [what, path, handle, status, state] of agents)
  t.test(`an agent that ${what} is ${status}, and the invite is ${state}`, async t => {
    const { port } = await waitingNode(t, session)
    const routes = { [`POST ${path}`]: { bodyBytesMax: 100_000, handle } }
    const { registry, ask } = await running(t, { routes, changes: { deliver: { port } } })
    const invite = await storedInvite(registry)
    const { status: said, body } = await ask('POST', '/v1/node/enroll', {
      body: JSON.stringify(good(invite)),
    })
    t.equal(said, status, body)
    t.equal(await stateOf(registry, invite), state)
  })

t.test('nothing that is secret gets into the log', async t => {
  const port = await strangeNode(t, says(403, no('no')))
  const { registry, ask, logged } = await running(t, { changes: { deliver: { port } } })
  const invite = await storedInvite(registry)
  const request = { ...good(invite), claim: 'Y2xhaW0' }
  await ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })
  const lines = JSON.stringify(await logged(1))
  for (const secret of ['Y2xhaW0', request.proof.signature, invite.tokenHash, request.grant.signature])
    t.notOk(lines.includes(secret))
})
