import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { type Desk, deskRoutes } from '../../../agent/enroll/desk.ts'
import type { Accepted } from '../../../agent/enroll/judge.ts'
import { closeHttp, serveHttp } from '../../../http/server.ts'
import { recentLines } from '../../../agent/system/log.ts'
import { completionBytesMax } from '../../../protocol/completion.ts'
import { helloPageSchema } from '../../../protocol/hello.ts'
import { completionAnswerSchema, errorSchema } from '../../../protocol/requests.ts'
import { completionFor, freshSession, otherWord, ownerOf, stranger, wallet } from './samples.ts'

const session = await freshSession()
const answer = async (accepted: Accepted) =>
  Promise.resolve({ box: accepted.sealReply(Buffer.from('enrolled')), member: accepted.member })
const atOnce = () => Promise.resolve()

type Answer = { readonly status: number; readonly body: string; readonly headers: IncomingMessage['headers'] }
type Ask = {
  readonly body?: unknown
  readonly accept?: string
  readonly from?: string
  readonly raw?: string
}

/** A desk behind a real server; `ask` posts a body, or gets the page where there is none. */
async function deskAt(t: Test, changes: Partial<Desk> = {}) {
  const desk: Desk = {
    session: () => session,
    owner: undefined,
    closed: undefined,
    carryOut: answer,
    pause: atOnce,
    ...changes,
  }
  const server = await serveHttp({
    address: '127.0.0.1',
    port: 0,
    routes: deskRoutes(desk),
    report: () => undefined,
  })
  t.teardown(() => closeHttp(server))
  const { port } = server.address() as AddressInfo
  return async ({ body, raw, accept = '*/*', from = '127.0.0.1' }: Ask = {}): Promise<Answer> => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const request = httpRequest({
      ...{ port, host: '127.0.0.1', localAddress: from, agent: false, headers: { accept } },
      ...(sent === undefined ? {} : { method: 'POST', path: '/v1/agent/enroll/complete' }),
    })
    const answered = once(request, 'response')
    request.end(sent)
    const [response] = (await answered) as [IncomingMessage]
    const said = await text(response)
    t.notMatch(said, session.claim, 'no answer holds the claim word')
    return { status: response.statusCode ?? 0, body: said, headers: response.headers }
  }
}

const hintOf = ({ body }: Answer) => errorSchema.parse(JSON.parse(body)).hint

t.test('programs get code and hello, browsers a page without script', async t => {
  const ask = await deskAt(t)
  const json = await ask()
  const { code, hello, expires } = helloPageSchema.parse(JSON.parse(json.body))
  t.same({ code, hello }, { code: session.code, hello: session.hello })
  t.equal(expires, hello.expires)
  const page = await ask({ accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
  t.match(page.headers['content-type'], 'text/html')
  t.match(page.headers['content-security-policy'], "default-src 'none'")
  t.match(page.body, session.code)
})

t.test('the owner is let in, and the reply opens with the gateway key alone', async t => {
  const ask = await deskAt(t)
  const { completion, sealed } = completionFor(session)
  const { status, body } = await ask({ body: completion })
  t.equal(status, 200)
  const { box, member } = completionAnswerSchema.parse(JSON.parse(body))
  t.equal(member.address, '10.0.0.1')
  t.equal(sealed.openReply(box).toString(), 'enrolled')
  t.throws(() => completionFor(session).sealed.openReply(box))
})

t.test('the owner of the operator file needs no claim word', async t => {
  const ask = await deskAt(t, { owner: ownerOf(wallet) })
  t.equal((await ask({ body: completionFor(session, { claim: undefined }).completion })).status, 200)
})

const other = await freshSession()
const good = completionFor(session).completion
const wrong = otherWord(session.claim)
const refusals: readonly (readonly [string, number, Ask, Partial<Desk>?])[] = [
  ['a wrong claim word', 403, { body: completionFor(session, { claim: wrong }).completion }],
  ['no claim word', 403, { body: completionFor(session, { claim: undefined }).completion }],
  [
    'a stranger with the claim word',
    403,
    { body: completionFor(session, { key: stranger }).completion },
    { owner: ownerOf(wallet) },
  ],
  ['another hello', 403, { body: completionFor(other).completion }],
  [
    'the claim word in what is no JSON',
    403,
    { body: completionFor(session, { plaintext: `${session.claim}{` }).completion },
  ],
  ['an unknown field', 400, { body: { ...good, more: 1 } }],
  ['another version', 400, { body: { ...good, v: 2 } }],
  ['no grant', 400, { body: { ...good, grant: undefined } }],
  ['an empty body', 400, { raw: '' }],
  ['no JSON', 400, { raw: '{' }],
  ['a body too large', 413, { raw: 'x'.repeat(completionBytesMax + 1) }],
  ['a good completion where nobody may enroll', 503, { body: good }, { closed: 'a bad file' }],
  ['no JSON where nobody may enroll', 503, { raw: '{' }, { closed: 'a bad file' }],
  ['the page where nobody may enroll', 503, {}, { closed: 'a bad file' }],
]

for (const [why, status, request, changes] of refusals)
  t.test(`refused with ${status} and a hint: ${why}`, async t => {
    const carryOut = () => Promise.reject(new Error('carried out'))
    const ask = await deskAt(t, { carryOut, ...changes })
    const refused = await ask(request)
    t.equal(refused.status, status)
    t.ok(hintOf(refused))
    t.notMatch(recentLines(5).join('\n'), session.claim, 'nor does the log')
  })

t.test('a refusal is paid for before it is sent', async t => {
  let paused = 0
  const ask = await deskAt(t, { pause: () => Promise.resolve(paused++) })
  await ask({ body: completionFor(other).completion })
  t.equal(paused, 1)
  await ask({ body: completionFor(session, { claim: wrong }).completion })
  t.ok(paused >= 2)
})

t.test('after a refusal the owner is let in', async t => {
  const ask = await deskAt(t)
  for (let tries = 0; tries < 3; tries++)
    t.equal((await ask({ body: completionFor(session, { claim: wrong }).completion })).status, 403)
  t.equal((await ask({ body: good })).status, 200)
})

/** Something that goes on until it is told to end. */
function held<T>() {
  const begun = Promise.withResolvers<undefined>()
  const end = Promise.withResolvers<T>()
  const hold = () => {
    begun.resolve(undefined)
    return end.promise
  }
  return { begun: begun.promise, hold, end }
}

t.test('while one is carried out others are turned away with 409, good or bad', async t => {
  const work = held<{ box: string }>()
  const ask = await deskAt(t, { carryOut: work.hold })
  const first = ask({ body: good })
  await work.begun
  t.equal((await ask({ body: good })).status, 409)
  t.equal((await ask({ body: completionFor(other).completion, from: '127.0.0.2' })).status, 409)
  t.equal((await ask()).status, 200, 'the page is still served')
  work.end.resolve({ box: 'AAAA' })
  t.equal((await first).status, 200)
  t.equal((await ask({ body: good })).status, 409, 'and none is carried out again')
})

t.test('of two good ones at once only one is carried out', async t => {
  const work = held<{ box: string }>()
  let count = 0
  const ask = await deskAt(t, {
    carryOut: () => {
      count++
      return work.hold()
    },
  })
  const both = ['127.0.0.1', '127.0.0.2'].map(from => ask({ body: completionFor(session).completion, from }))
  t.equal((await Promise.race(both)).status, 409)
  work.end.resolve({ box: 'AAAA' })
  t.same((await Promise.all(both)).map(({ status }) => status).sort(), [200, 409])
  t.equal(count, 1)
})

t.test('an enrollment that fails is told, and the next may come', async t => {
  let broken = true
  const ask = await deskAt(t, {
    carryOut: accepted => (broken ? Promise.reject(new Error('disk away')) : answer(accepted)),
  })
  const failed = await ask({ body: good })
  t.equal(failed.status, 500)
  t.match(failed.body, 'disk away')
  t.ok(hintOf(failed))
  broken = false
  t.equal((await ask({ body: good })).status, 200)
})

t.test('a completion whose session was renewed meanwhile is refused', async t => {
  let asked = 0
  const ask = await deskAt(t, { session: () => (asked++ === 0 ? session : other) })
  const refused = await ask({ body: good })
  t.equal(refused.status, 403)
  t.match(refused.body, 'has just changed')
})

t.test('a guesser does not keep the owner out: one completion for each address', async t => {
  const cost = held<undefined>()
  const ask = await deskAt(t, { owner: ownerOf(wallet), pause: cost.hold })
  const guess = completionFor(session, { key: stranger }).completion
  const first = ask({ body: guess, from: '127.0.0.2' })
  await cost.begun
  const more = await ask({ body: guess, from: '127.0.0.2' })
  t.equal(more.status, 429)
  t.ok(hintOf(more))
  t.equal((await ask({ body: good })).status, 200, 'the owner does not wait for the price of others')
  cost.end.resolve(undefined)
  t.equal((await first).status, 403)
})

t.test('no more than 8 completions wait', async t => {
  const cost = held<undefined>()
  let waiting = 0
  const all = Promise.withResolvers<undefined>()
  const pause = () => {
    if (++waiting === 8) all.resolve(undefined)
    return cost.end.promise
  }
  const ask = await deskAt(t, { pause })
  const guess = completionFor(other).completion
  const held8 = Array.from({ length: 8 }, (_, at) => ask({ body: guess, from: `127.0.0.${at + 2}` }))
  await all.promise
  t.equal((await ask({ body: good })).status, 429)
  cost.end.resolve(undefined)
  for (const refused of await Promise.all(held8)) t.equal(refused.status, 403)
  t.equal((await ask({ body: good })).status, 200)
})

t.test('claim words are tried one after the other, whatever the address', async t => {
  const prices: (() => void)[] = []
  const ask = await deskAt(t, { pause: () => new Promise<void>(resolve => prices.push(resolve)) })
  const guess = (from: string, claim = wrong) =>
    ask({ body: completionFor(session, { claim }).completion, from })
  const order: string[] = []
  const wrongOne = guess('127.0.0.2').then(() => order.push('guess'))
  await t.resolves(until(() => prices.length === 2))
  const right = guess('127.0.0.3', session.claim).then(() => order.push('owner'))
  t.equal((await ask()).status, 200)
  t.same(order, [], 'the word of the second is not yet compared')
  for (const pay of prices) pay()
  await Promise.all([wrongOne, right])
  t.same(order.sort(), ['guess', 'owner'])
})

/** Resolves when it is so, looking at every turn of the event loop. */
async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise(resolve => setImmediate(resolve))
}
