import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { openShareStore, type ShareStoreWorld } from '../../../agent/guardian/share-store.ts'
import { serveGuardian, socketRoutes } from '../../../agent/guardian/socket.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import type { NewsMessage } from '../../../protocol/cluster/news.ts'
import { closeHttp } from '../../../http/server.ts'
import { epochName, epochNames, newEpochId } from '../../../protocol/shares/epoch.ts'
import { holdingsSchema, memberListSchema } from '../../../protocol/shares/store.ts'
import { headOf, socketPath } from '../../http/serving.ts'
import { newNode, someNodeId } from '../../protocol/cluster/sample.ts'
import { cluster, guardian, key, someShare } from './store-samples.ts'

const { nodeId, hello } = newNode()
const members = { cluster, nodeId: guardian, members: [{ nodeId, address: '10.0.0.2', hello, held: true }] }

/** A store that writes at once, behind a real socket. */
/** What the node knows of the cluster: nothing; what comes is heard. */
const heard: unknown[] = []
const digest = '0'.repeat(64)
const said: NewsMessage = { digest, news: { membership: noMembers, endpoints: [] } }
const exchange = (message: NewsMessage, node: string) => {
  heard.push([node, message])
  return Promise.resolve(said)
}

async function serving(t: Test, changes: Partial<ShareStoreWorld> = {}) {
  const written: Buffer[] = []
  const store = openShareStore({
    cluster,
    nodeId: guardian,
    key,
    read: () => undefined,
    write: async box => void written.push(await Promise.resolve(box)),
    after: (_, act) => setImmediate(act),
    ...changes,
  })
  const path = await socketPath(t)
  const reported: unknown[] = []
  const report = (error: unknown) => reported.push(error)
  const server = await serveGuardian({ store, members: () => members, exchange }, { path, report })
  t.teardown(() => closeHttp(server))
  const ask = async (method: string, target: string, body: Buffer = Buffer.alloc(0)) => {
    const request = httpRequest({ socketPath: path, method, path: target, agent: false })
    const answered = once(request, 'response')
    request.end(body)
    const [response] = (await answered) as [IncomingMessage]
    const { statusCode: status, headers } = response
    return { status, type: headers['content-type'], body: await buffer(response) }
  }
  const json = async (...asked: Parameters<typeof ask>) => {
    const { status, body } = await ask(...asked)
    return { status, body: JSON.parse(body.toString()) as unknown }
  }
  return { store, path, ask, json, written, reported }
}

const [node, other] = [someNodeId(1), someNodeId(2)]
const [first, second, third] = [newEpochId(1), newEpochId(2), newEpochId(3)]
const putting = (epoch = first, keep: readonly (typeof first)[] = [], of = node) =>
  `/share?node=${of}&epoch=${epochName(epoch)}&keep=${epochNames(keep)}`

t.test('only the user whose socket it is may connect', async t => {
  const { path } = await serving(t)
  t.equal((await stat(path)).mode & 0o777, 0o600)
})

t.test('GET /members says who is a member, as the schema has it', async t => {
  const { json } = await serving(t)
  const { status, body } = await json('GET', '/members')
  t.equal(status, 200)
  t.same(memberListSchema.parse(body), members)
})

t.test('a share is put, listed, given, replaced and dropped; each answer says what is held', async t => {
  const { ask, json } = await serving(t)
  const [share, next] = [someShare(), someShare()]
  t.same(await json('PUT', putting(), share), { status: 200, body: { epochs: [first], counter: 0 } })
  t.same(await json('PUT', putting(second, [first]), next), {
    status: 200,
    body: { epochs: [first, second], counter: 0 },
  })
  t.same(await json('PUT', `/release?node=${node}&counter=12`), {
    status: 200,
    body: { epochs: [first, second], counter: 12 },
  })
  const { body: holdings } = await json('GET', '/holdings')
  t.same(holdingsSchema.parse(holdings), { [node]: { epochs: [first, second], counter: 12 } })
  t.same(await ask('GET', `/share?node=${node}&epoch=${epochName(second)}`), {
    status: 200,
    type: 'application/octet-stream',
    body: next,
  })
  t.same(await json('PUT', putting(third, [second]), share), {
    status: 200,
    body: { epochs: [second, third], counter: 12 },
  })
  t.same(await json('PUT', `/keep?node=${node}&keep=${epochNames([third, first])}`), {
    status: 200,
    body: { epochs: [third], counter: 12 },
  })
  t.same(await json('PUT', `/keep?node=${node}&keep=`), { status: 200, body: { epochs: [], counter: 12 } })
})

const unknown = [
  ['of another node', `/share?node=${other}&epoch=${epochName(first)}`],
  ['of another epoch', `/share?node=${node}&epoch=${epochName(second)}`],
  ['of another attempt', `/share?node=${node}&epoch=${epochName(newEpochId(1))}`],
] as const

for (const [what, target] of unknown)
  t.test(`a share ${what} is not there`, async t => {
    const { ask, json } = await serving(t)
    await ask('PUT', putting(), someShare())
    t.match(await json('GET', target), { status: 404, body: { error: 'no such share' } })
  })

const name = epochName(first)
const malformed: readonly (readonly [string, string, string, number, Buffer?])[] = [
  ['a member list with a query', 'GET', '/members?node=', 400],
  ['holdings with a query', 'GET', `/holdings?node=${node}`, 400],
  ['a share without a query', 'GET', '/share', 400],
  ['a node in capitals', 'GET', `/share?node=${node.toUpperCase()}&epoch=${name}`, 400],
  ['a node that is a path', 'GET', `/share?node=..%2F${node}&epoch=${name}`, 400],
  ['an epoch without its id', 'GET', `/share?node=${node}&epoch=1`, 400],
  ['one epoch twice', 'GET', `/share?node=${node}&epoch=${name}&epoch=${name}`, 400],
  ['a keep that is missing', 'PUT', `/share?node=${node}&epoch=${name}`, 400, someShare()],
  ['three to keep', 'PUT', putting(first, [first, second, third]), 400, someShare()],
  ['a share too short', 'PUT', putting(), 400, Buffer.alloc(96, 1)],
  ['a share too long', 'PUT', putting(), 413, Buffer.alloc(98, 1)],
  ['a share of nothing', 'PUT', putting(), 400],
  ['a share with x = 0', 'PUT', putting(), 400, Buffer.alloc(97)],
  ['a third epoch', 'PUT', putting(third, [first, second]), 507, someShare()],
  ['a keep with a body', 'PUT', `/keep?node=${node}&keep=`, 413, Buffer.alloc(1)],
  ['a release without a counter', 'PUT', `/release?node=${node}&counter=`, 400],
  ['a release below 0', 'PUT', `/release?node=${node}&counter=-1`, 400],
  ['a release with a leading zero', 'PUT', `/release?node=${node}&counter=01`, 400],
  ['a release as a hex number', 'PUT', `/release?node=${node}&counter=0x1`, 400],
  ['a release beyond numbers', 'PUT', `/release?node=${node}&counter=9007199254740992`, 400],
  ['another method', 'DELETE', '/share', 405],
  ['another route', 'GET', '/', 404],
]

for (const [why, method, target, status, body] of malformed)
  t.test(`the socket refuses ${why}, and nothing is changed`, async t => {
    const { store, ask, json, reported } = await serving(t)
    await Promise.all([
      ask('PUT', putting(first, [second]), someShare()),
      ask('PUT', putting(second, [first]), someShare()),
    ])
    const before = store.holdings()
    const answer = await json(method, target, body)
    t.match(answer, { status, body: { error: /./, hint: /./ } })
    t.notMatch(JSON.stringify(answer), '../')
    t.same([store.holdings(), reported], [before, []])
  })

t.test('a token that cannot be read is told, and nothing is written over it', async t => {
  const { json, written } = await serving(t, { read: () => Buffer.alloc(40) })
  for (const [method, target, body] of [
    ['GET', '/holdings'],
    ['GET', `/share?node=${node}&epoch=${name}`],
    ['PUT', putting(), someShare()],
    ['PUT', `/keep?node=${node}&keep=`],
    ['PUT', `/release?node=${node}&counter=1`],
  ] as const)
    t.match(await json(method, target, body), { status: 503, body: { error: /unreadable/ } })
  t.same(written, [])
})

t.test('a write that fails is told as such, and why is for the log of the agent', async t => {
  const { json, reported, store } = await serving(t, {
    write: () => Promise.reject(new Error('/dev/vda4 is gone')),
  })
  t.match(await json('PUT', putting(), someShare()), { status: 500, body: { error: 'internal error' } })
  t.match(reported, [{ message: /not written/, cause: { message: /vda4/ } }])
  t.same(store.holdings(), {})
})

t.test('the bytes of a share are wiped when they are stored, and when they are sent', async t => {
  const { store } = await serving(t)
  const routes = socketRoutes({ store, members: () => members, exchange })
  const call = async (route: string, target: string, body: Buffer = Buffer.alloc(0)) =>
    routes[route]?.handle({ ...headOf(new URL(target, 'http://node')), body })
  const [share, same] = [someShare(), Buffer.alloc(97)]
  share.copy(same)
  await call('PUT /share', putting(), share)
  t.same(share, Buffer.alloc(97))
  const reply = await call('GET /share', `/share?node=${node}&epoch=${name}`)
  t.same(reply?.body, same)
  reply?.sent?.()
  t.same(reply?.body, Buffer.alloc(97))
})

t.test('what a node says goes to the agent with its name, and what the agent says comes back', async t => {
  const { ask } = await serving(t)
  const node = someNodeId(3)
  for (const message of [{ digest }, said]) {
    const sent = await ask('POST', `/news?node=${node}`, Buffer.from(JSON.stringify(message)))
    t.equal(sent.status, 200)
    t.same(JSON.parse(sent.body.toString()), said)
    t.same(heard.at(-1), [node, message])
  }
  const wrong = [
    ['/news', JSON.stringify(said)],
    [`/news?node=${node}`, '{}'],
    [`/news?node=${node}`, 'x'],
    [`/news?node=${node}`, JSON.stringify(said.news)],
    [`/news?node=${node}`, JSON.stringify({ news: said.news })],
    [`/news?node=${node}`, JSON.stringify({ ...said, more: 1 })],
    [`/news?node=${node}`, JSON.stringify({ digest: digest.slice(1) })],
    [`/news?node=${node}`, JSON.stringify({ digest: 'A'.repeat(64) })],
    [`/news?node=${node}`, JSON.stringify({ digest, news: null })],
    [`/news?node=${node}`, JSON.stringify({ digest, news: { ...said.news, more: 1 } })],
    ['/news?node=../x', JSON.stringify(said)],
  ] as const
  const before = heard.length
  for (const [target, body] of wrong)
    t.equal((await ask('POST', target, Buffer.from(body))).status, 400, target)
  t.equal(heard.length, before)
})
