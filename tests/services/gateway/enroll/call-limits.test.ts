import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { frameBytesMax } from '../../../../protocol/enroll-call.ts'
import { codeQueue } from '../../../../services/gateway/enroll/codes.ts'
import { called, helloOf, upgraded } from './calling.ts'
import { inMinutes, newWaiting } from './played-waiting.ts'
import { running } from './running.ts'

const session = await newWaiting()

const aged = (minutes: number) => ({ hello: { ...session.hello, expires: inMinutes(minutes) } })
const ended: readonly (readonly [string, string | Buffer, number])[] = [
  ['rubbish', 'rubbish', 1008],
  ['nothing', '', 1008],
  ['JSON of something else', '{"v":1}', 1008],
  ['a hello with a field too many', JSON.stringify({ v: 1, hello: session.hello, more: 1 }), 1008],
  ['a hello of another version', JSON.stringify({ v: 2, hello: session.hello }), 1008],
  ['a hello that has expired', helloOf(aged(-1)), 1008],
  ['a hello that claims more time than one has', helloOf(aged(20)), 1008],
  ['an answer that nobody waits for', '{"status":200,"body":{}}', 1008],
  ['bytes', Buffer.from(helloOf(session)), 1003],
  ['a frame that is too long', 'x'.repeat(frameBytesMax.fromNode + 1), 1009],
]
for (const [what, sent, code] of ended)
  t.test(`a call is ended with ${code} for ${what}`, async t => {
    const call = await called(t, await running(t))
    call.socket.send(sent, { binary: Buffer.isBuffer(sent) })
    t.equal(await call.ended, code)
  })

t.test('a call that says nothing is cut, and one that says no more', async t => {
  const gateway = await running(t, { changes: { calls: { helloMs: 200, silenceMs: 60_000 } } })
  t.equal(await (await called(t, gateway)).ended, 1006)
  const other = await running(t, { changes: { calls: { helloMs: 60_000, silenceMs: 200 } } })
  const call = await called(t, other)
  call.socket.send(helloOf(session))
  t.equal(await call.ended, 1006)
})

const wishes = [
  ['the path of nodes', '/v1/agent/enroll', {}, 101],
  ['another path', '/v1/agent/enroll/', {}, 404],
  ['a path with a query', '/v1/agent/enroll?x=1', {}, 404],
  ['a path that leads there', '/v1/agent/../agent/enroll', {}, 404],
  ['another protocol', '/v1/agent/enroll', { upgrade: 'h2c' }, 400],
  ['an old version', '/v1/agent/enroll', { 'sec-websocket-version': '7' }, 400],
  ['no key', '/v1/agent/enroll', { 'sec-websocket-key': '' }, 400],
] as const
for (const [what, path, headers, status] of wishes)
  t.test(`who wants a WebSocket with ${what} is answered ${status}, which the log says`, async t => {
    const gateway = await running(t)
    t.equal(await upgraded(gateway, path, headers), status)
    const upgrade = status === 101 ? 'taken' : 'refused'
    if (status !== 400) t.match(await gateway.logged(1), [{ upgrade, address: '127.0.0.1' }])
  })

t.test('a request without that wish finds no such route', async t =>
  t.equal((await (await running(t)).ask('GET', '/v1/agent/enroll')).status, 404),
)

t.test('of 300 nodes that call 256 wait, and an address has 16 calls', async t => {
  // A busy machine needs longer for 300 calls than one may go without a hello.
  const gateway = await running(t, { changes: { calls: { helloMs: 600_000, silenceMs: 600_000 } } })
  const statuses: number[] = []
  for (let at = 0; at < 300; at++) {
    const socket = new WebSocket(`wss://127.0.0.1:${gateway.gateway.port}/v1/agent/enroll`, {
      ...{ rejectUnauthorized: false, localAddress: `127.0.1.${1 + Math.floor(at / 15)}` },
    }).on('error', () => undefined)
    t.teardown(() => socket.terminate())
    const refused = once(socket, 'unexpected-response').then(([, { statusCode }]) => statusCode as number)
    refused.catch(() => undefined)
    statuses.push(await Promise.race([refused, once(socket, 'open').then(() => 101)]))
  }
  t.same([statuses.filter(one => one === 101).length, statuses.filter(one => one === 503).length], [256, 44])
  const one = await running(t, { changes: { calls: { callsMax: { all: 256, perKey: 1 } } } })
  await called(t, one)
  t.equal(await upgraded(one, '/v1/agent/enroll'), 429)
})

t.test('hellos of an address are so many', async t => {
  const hellos = { perSecond: 1 / 3600, burst: 1, keysMax: 10 }
  const call = await called(t, await running(t, { changes: { calls: { hellos } } }))
  call.socket.send(helloOf(session))
  call.socket.send(helloOf(session))
  call.socket.send(helloOf(await newWaiting()))
  t.equal(await call.ended, 1013, 'one that comes again is none')
})

t.test('calls come at the pace of logins', async t => {
  const slow = { perSecond: 1 / 3600, burst: 1, keysMax: 10 }
  const any = { perSecond: 1000, burst: 1000, keysMax: 10 }
  const gateway = await running(t, { changes: { rates: { any, slow } } })
  await called(t, gateway)
  t.equal(await upgraded(gateway, '/v1/agent/enroll'), 429)
})

t.test('codes are computed one after the other, and not too many wait', async t => {
  let under = 0
  const goOn = Promise.withResolvers<undefined>()
  const codeOf = codeQueue(async () => {
    t.equal(++under, 1)
    await goOn.promise
    under -= 1
    return 'CODE'
  })
  const all = Array.from({ length: 32 }, () => codeOf(session.hello))
  await t.rejects(codeOf(session.hello), { message: /other requests wait/ })
  goOn.resolve(undefined)
  t.equal((await Promise.all(all)).length, 32)
  t.equal(await codeOf(session.hello), 'CODE')
})
