import { stat } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { gatewayRoutes } from '../../../agent/gateway/socket.ts'
import { serveOnSocket } from '../../../agent/services/socket.ts'
import { exchange } from '../../../http/exchange.ts'
import { closeHttp } from '../../../http/server.ts'
import {
  admittedSchema,
  clusterFactsSchema,
  joinedAnswerSchema,
} from '../../../protocol/cluster/admission.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { newsBytesMax, newsMessageSchema } from '../../../protocol/cluster/news.ts'
import { helloHash } from '../../../protocol/hello.ts'
import { socketPath } from '../../http/serving.ts'
import { joinRecord } from '../../protocol/cluster/sample.ts'
import { admissionFor, agentSide, answerOf, newcomer } from './samples.ts'

/** An agent behind a real socket. */
async function serving(t: Test) {
  const sides = agentSide()
  const path = await socketPath(t)
  const reported: unknown[] = []
  const report = (error: unknown) => reported.push(error)
  const server = await serveOnSocket(gatewayRoutes(sides.side), { path, report })
  t.teardown(() => closeHttp(server))
  const ask = async (method: 'GET' | 'POST' | 'PUT', target: string, body?: string | object) => {
    const { status, content } = await exchange({
      to: { socketPath: path },
      method,
      path: target,
      body: typeof body === 'object' ? JSON.stringify(body) : body,
      signal: AbortSignal.timeout(20_000),
      bytesMax: newsBytesMax,
    })
    return { status, body: JSON.parse(content.toString()) as unknown }
  }
  return { ...sides, path, ask, reported }
}

const session = await newcomer()
const admission = admissionFor(session)

t.test('only the user whose socket it is may connect', async t => {
  t.equal((await stat((await serving(t)).path)).mode & 0o777, 0o600)
})

t.test('a node joins: what the schemas of the protocol say is what goes over the socket', async t => {
  const { ask, view } = await serving(t)
  const facts = clusterFactsSchema.parse((await ask('GET', '/cluster')).body)
  t.match(admission.grant.text, `gateway-key: ${facts.gatewayKey}`)
  const { completion } = admittedSchema.parse((await ask('POST', '/join', admission)).body)
  const { answer, acknowledgement } = await answerOf(session, completion)
  const joined = await ask('POST', '/joined', { hello: helloHash(session.hello), answer })
  t.same(joinedAnswerSchema.parse(joined.body), { acknowledgement })
  const { digest, news } = newsMessageSchema.parse((await ask('GET', '/news')).body)
  t.equal(digest, view.digest())
  t.same(news, JSON.parse(JSON.stringify(view.news())))
  t.equal(news?.membership.members.length, 2)
})

t.test('news of the gateway are heard; who knows all of them is told no more than that', async t => {
  const { ask, heard, view } = await serving(t)
  const before = view.digest()
  t.same((await ask('GET', `/news?known=${before}`)).body, { digest: before })
  const news = { membership: { members: [joinRecord()], departures: [] }, endpoints: [] }
  const { status, body } = await ask('POST', '/news', news)
  t.same([status, body], [200, { digest: view.digest() }])
  t.same(heard, [news])
  const asked = newsMessageSchema.parse((await ask('GET', `/news?known=${before}`)).body)
  t.same([asked.digest, asked.news?.membership.members.length], [view.digest(), 2])
})

t.test('the agent hears which news the registry has', async t => {
  const { ask, view, world } = await serving(t)
  t.same(await ask('POST', '/met', { digest: view.digest() }), { status: 200, body: {} })
  t.equal(world.met, view.digest())
  t.equal((await ask('POST', '/met', { digest: 'x' })).status, 400)
  t.equal((await ask('POST', '/met', {})).status, 400)
  t.equal(world.met, view.digest())
})

t.test('while the disk is closed everything is refused with 503 and a hint', async t => {
  const { ask, world } = await serving(t)
  world.open = false
  for (const [method, target] of [
    ['GET', '/cluster'],
    ['GET', '/news'],
    ['POST', '/news'],
    ['POST', '/join'],
    ['POST', '/joined'],
  ] as const)
    t.match(await ask(method, target, method === 'GET' ? undefined : admission), {
      status: 503,
      body: { error: /disk .* closed/, hint: /./ },
    })
  t.same(world.lent, [])
})

const long = ' '.repeat(64 * 1024 + 1)
const malformed: readonly (readonly ['GET' | 'POST' | 'PUT', string, string | object, number])[] = [
  ['GET', '/cluster?x=1', '', 400],
  ['GET', '/news?known=1', '', 400],
  ['GET', `/news?known=${'0'.repeat(64)}&known=${'0'.repeat(64)}`, '', 400],
  ['GET', `/news?known=${'0'.repeat(64)}&more=1`, '', 400],
  ['GET', '/', '', 404],
  ['PUT', '/join', admission, 405],
  ['POST', '/cluster', '', 405],
  ['POST', '/join', '', 400],
  ['POST', '/join', '{', 400],
  ['POST', '/join', { ...admission, more: 1 }, 400],
  ['POST', '/join', { ...admission, address: '10.0.0.02' }, 400],
  ['POST', '/join', { ...admission, claim: session.claim.repeat(200) }, 400],
  ['POST', '/join', { ...admission, invite: undefined }, 400],
  ['POST', '/join?force=1', admission, 400],
  ['POST', '/join', long, 413],
  ['POST', '/joined', {}, 400],
  ['POST', '/joined', { hello: helloHash(session.hello), answer: { v: 1, box: 'AAAA' } }, 400],
  ['POST', '/joined', long, 413],
  ['POST', '/news', {}, 400],
  ['POST', '/news?known=1', { membership: noMembers, endpoints: [] }, 400],
  ['POST', '/news', ' '.repeat(newsBytesMax + 1), 413],
]

for (const [method, target, body, status] of malformed)
  t.test(`${status} to ${method} ${target} with ${JSON.stringify(body).length} characters`, async t => {
    const { ask, heard, reported } = await serving(t)
    const answer = await ask(method, target, body)
    t.match(answer, { status, body: { error: /./, hint: /./ } })
    t.notMatch(JSON.stringify(answer), session.claim)
    t.same([heard, reported], [[], []])
  })

t.test('a refusal says why; a fault of this node is for its log', async t => {
  const { ask, side, reported } = await serving(t)
  t.match(await ask('POST', '/join', { ...admission, address: '192.0.2.1' }), {
    status: 403,
    body: { error: /outside the network/ },
  })
  t.same(reported, [])
  Object.assign(side, { withClusterSecret: () => Promise.reject(new Error('/opt is gone')) })
  t.match(await ask('POST', '/join', admission), { status: 500, body: { error: 'internal error' } })
  t.match(reported, [{ message: '/opt is gone' }])
})

t.test('one act at a time, and no more than 8 wait', async t => {
  const { ask, side, world } = await serving(t)
  const gate = Promise.withResolvers<undefined>()
  const { withClusterSecret } = side
  let acts = 0
  Object.assign(side, {
    withClusterSecret: async (use: (secret: Buffer) => Promise<unknown>) => {
      acts += 1
      await gate.promise
      return withClusterSecret(use)
    },
  })
  const asked = Array.from({ length: 20 }, () => ask('GET', '/cluster'))
  const refused = await firstOf(asked, 12)
  t.ok(refused.every(one => one.status === 429))
  t.equal(acts, 1)
  gate.resolve(undefined)
  const all = await Promise.all(asked)
  t.equal(all.filter(one => one.status === 200).length, 8)
  t.equal(world.lent.length, 8)
})

/** The first `count` answers that come. */
async function firstOf<T>(all: readonly Promise<T>[], count: number): Promise<readonly T[]> {
  const come: T[] = []
  const enough = Promise.withResolvers<readonly T[]>()
  for (const one of all)
    void one.then(value => {
      if (come.push(value) === count) enough.resolve([...come])
    })
  return enough.promise
}
