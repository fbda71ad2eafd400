import t, { type Test } from 'tap'
import { type Call, callDelayMs, callGateway, type GatewayCall } from '../../../agent/enroll/call.ts'
import { type Complete, completer } from '../../../agent/enroll/desk.ts'
import { frameBytesMax } from '../../../protocol/enroll-call.ts'
import { completionAnswerSchema } from '../../../protocol/requests.ts'
import { answerIn, gatewayAt, helloIn } from './gateway.ts'
import { completionFor, freshSession, otherWord } from './samples.ts'

const session = await freshSession()
const other = await freshSession()

/** The desk of a real node that has the time to be guessed at. */
const deskOf = (carryOut?: () => Promise<{ readonly box: string }>): Complete =>
  completer({
    session: () => session,
    owner: undefined,
    closed: undefined,
    carryOut: async accepted =>
      (await carryOut?.()) ?? { box: accepted.sealReply(Buffer.from('enrolled')), member: accepted.member },
    pause: () => Promise.resolve(),
  })

/** Calls this gateway; the delays between calls are noted, and none. */
function calling(t: Test, gateway: string, changes: Partial<GatewayCall> = {}) {
  const logged: string[] = []
  const failures: number[] = []
  const call: Call = callGateway({
    gateway,
    hello: () => session.hello,
    complete: deskOf(),
    log: line => logged.push(line),
    random: () => 0,
    delayMs: count => {
      failures.push(count)
      return 0
    },
    ...changes,
  })
  t.teardown(call.end)
  return { call, logged, failures }
}

t.test('a node that waits calls its gateway, whatever its certificate, and says who it is', async t => {
  const { url, call } = await gatewayAt(t)
  calling(t, url)
  const { path, extensions, next } = await call()
  t.equal(path, '/v1/agent/enroll')
  t.equal(extensions, undefined, 'nothing is to be compressed')
  t.same(helloIn(await next()), session.hello)
})

t.test('a completion that comes so is answered as on port 9999', async t => {
  const { url, call } = await gatewayAt(t)
  calling(t, url)
  const { socket, next } = await call()
  await next()
  const { completion, sealed } = completionFor(session)
  socket.send(JSON.stringify({ completion }))
  const { status, body } = answerIn(await next())
  t.equal(status, 200)
  t.equal(sealed.openReply(completionAnswerSchema.parse(body).box).toString(), 'enrolled')
})

t.test('a refusal is told with its reason, and the owner may come by the same call', async t => {
  const { url, call } = await gatewayAt(t)
  calling(t, url)
  const { socket, next } = await call()
  await next()
  const refused = [
    [completionFor(session, { claim: otherWord(session.claim) }), /claim word is wrong/],
    [completionFor(session, { claim: undefined }), /claim word is wrong/],
    [completionFor(other), /another hello/],
  ] as const
  for (const [{ completion }, error] of refused) {
    socket.send(JSON.stringify({ completion }))
    const answer = answerIn(await next())
    t.match(answer, { status: 403, body: { error, hint: /./ } })
    t.notMatch(JSON.stringify(answer), session.claim)
  }
  socket.send(JSON.stringify({ completion: completionFor(session).completion }))
  t.equal(answerIn(await next()).status, 200)
})

t.test('when the keys have changed the same call says so', async t => {
  const { url, call } = await gatewayAt(t)
  let shown = session
  calling(t, url, {
    hello: () => shown.hello,
    times: { lookMs: 1, pingMs: 60_000, silenceMs: 60_000 },
  })
  const { next } = await call()
  t.same(helloIn(await next()), session.hello)
  shown = other
  t.same(helloIn(await next()), other.hello)
})

const text = JSON.stringify({ completion: completionFor(session).completion })
const rubbish: readonly (readonly [string, string | Buffer, number, RegExp, number?])[] = [
  ['what is not JSON', '{', 1007, /our language/, 400],
  ['an empty frame', '', 1007, /our language/, 400],
  ['another message', '{"hello":1}', 1007, /our language/, 400],
  ['a field too many', text.replace('{', '{"more":1,'), 1007, /our language/, 400],
  ['bytes', Buffer.from(text), 1003, /bytes/],
  ['a frame too long', 'x'.repeat(frameBytesMax.fromGateway + 1), 1009, /payload/i],
]
for (const [what, sent, code, reason, status] of rubbish)
  t.test(`a gateway that sends ${what} is left with ${code}, and called again`, async t => {
    const { url, call } = await gatewayAt(t)
    const { logged } = calling(t, url)
    const { socket, next, closed } = await call()
    await next()
    socket.send(sent)
    if (status !== undefined) t.match(answerIn(await next()), { status, body: { error: /./ } })
    t.equal(await closed, code)
    const again = await call()
    t.same(helloIn(await again.next()), session.hello)
    t.match(logged, [reason])
  })

t.test('a gateway that does not wait for an answer is left', async t => {
  const { url, call } = await gatewayAt(t)
  const work = Promise.withResolvers<{ box: string }>()
  const { logged } = calling(t, url, { complete: deskOf(() => work.promise) })
  const { socket, next, closed } = await call()
  await next()
  socket.send(text)
  socket.send(text)
  t.equal(await closed, 1008)
  work.resolve({ box: 'AAAA' })
  t.ok(await call())
  t.match(logged, [/did not wait/])
})

t.test('a gateway that says nothing is called anew; one that answers pings is not', async t => {
  const times = { lookMs: 2, pingMs: 5, silenceMs: 400 }
  const silent = await gatewayAt(t, { autoPong: false })
  const { logged } = calling(t, silent.url, { times })
  const { closed } = await silent.call()
  t.equal(await closed, 1006)
  t.ok(await silent.call())
  t.match(logged, [/silent/])
  const lively = await gatewayAt(t)
  const { logged: none } = calling(t, lively.url, { times })
  const { socket } = await lively.call()
  for (let pings = 0; pings < 5; pings++) await new Promise(resolve => socket.once('ping', resolve))
  t.same(none, [])
})

t.test('calls that fail are tried again, each time later, and the reason is told once', async t => {
  const { url, call } = await gatewayAt(t)
  const { failures, logged } = calling(t, url)
  for (let calls = 0; calls < 4; calls++) (await call()).socket.close()
  await call()
  t.same(failures, [1, 2, 3, 4])
  t.match(logged, [/hung up/])
  t.equal(logged.length, 1)
})

const noGateways = [
  ['has another path', { path: '/other' }, /400/],
  ['turns the call away', { verifyClient: () => false }, /401/],
] as const
for (const [what, options, reason] of noGateways)
  t.test(`a server that ${what} is tried again`, async t => {
    const { url } = await gatewayAt(t, options)
    const twice = Promise.withResolvers<undefined>()
    const { logged } = calling(t, url, {
      delayMs: count => {
        if (count === 2) twice.resolve(undefined)
        return count < 2 ? 0 : 60_000
      },
    })
    await twice.promise
    t.match(logged, [reason])
  })

t.test('the call ends when the node is enrolled, after its answer has been sent', async t => {
  const { url, call: taken } = await gatewayAt(t)
  const work = Promise.withResolvers<{ box: string }>()
  const begun = Promise.withResolvers<undefined>()
  const carryOut = () => {
    begun.resolve(undefined)
    return work.promise
  }
  const { call } = calling(t, url, { complete: deskOf(carryOut) })
  const { socket, next, closed } = await taken()
  await next()
  socket.send(text)
  await begun.promise
  const ended = call.end()
  work.resolve({ box: 'AAAA' })
  t.equal(answerIn(await next()).status, 200)
  t.equal(await closed, 1000)
  await ended
})

t.test(
  'who ends it while it waits for the next call, or for an answer of the network, waits for nothing',
  async t => {
    const { url } = await gatewayAt(t, { path: '/other' })
    const waiting = Promise.withResolvers<undefined>()
    const { call } = calling(t, url, {
      delayMs: () => {
        waiting.resolve(undefined)
        return 600_000
      },
    })
    await waiting.promise
    await call.end()
    const early = calling(t, url)
    await early.call.end()
    t.same(early.logged, [])
  },
)

const delays = [
  [0, 0, 1000],
  [1, 0, 1000],
  [1, 0.999, 2000],
  [3, 0.5, 6000],
  [5, 0, 16_000],
  [6, 0, 30_000],
  [500, 0.999, 60_000],
  [5000, 0.999, 60_000],
] as const
for (const [failures, random, ms] of delays)
  t.test(`after ${failures} failures the next call comes in about ${ms / 1000} s`, async t => {
    t.equal(Math.round(callDelayMs(failures, random) / 100) * 100, ms)
  })
