import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { Agent } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { connect } from 'node:tls'
import t from 'tap'
import { challengeSchema, tokensSchema } from '../../../protocol/login.ts'
import { received } from '../../http/serving.ts'
import { authority, cluster } from '../../protocol/cluster/sample.ts'
import { gatewayWith } from './gateway.ts'
import { loginFor, operator } from './samples.ts'

const json = (value: unknown) => ({ body: JSON.stringify(value) })

t.test('an operator signs in, and uses and renews the token', async t => {
  const { ask } = await gatewayWith(t, {
    'GET /mine': { access: 'operators', handle: ({ visit }) => ({ body: visit.who ?? '' }) },
  })
  const challenge = await ask('POST', '/v1/operator/challenge', json({ address: operator.address }))
  t.equal(challenge.status, 200)
  const login = loginFor(challengeSchema.parse(JSON.parse(challenge.body)))
  const tokens = tokensSchema.parse(JSON.parse((await ask('POST', '/v1/operator/login', json(login))).body))
  const renewed = await ask('POST', '/v1/operator/refresh', json({ refresh: tokens.refresh }))
  const { token } = tokensSchema.parse(JSON.parse(renewed.body))
  for (const each of [tokens.token, token]) {
    const mine = await ask('GET', '/mine', { headers: { authorization: `Bearer ${each}` } })
    t.same([mine.status, mine.body], [200, operator.address])
  }
  t.equal((await ask('POST', '/v1/operator/login', json(login))).status, 403, 'a login serves once')
})

const refused = [
  ['a challenge for a stranger', 'challenge', { address: `0x${'0'.repeat(40)}` }, 403],
  [
    'a challenge for an address in lower case',
    'challenge',
    { address: authority.address.toLowerCase() },
    400,
  ],
  ['a challenge for nobody', 'challenge', {}, 400],
  ['a challenge with more fields', 'challenge', { address: authority.address, text: 'sign this' }, 400],
  ['a login that is no text', 'login', { text: 7, signature: `0x${'0'.repeat(130)}` }, 400],
  ['a login without a signature', 'login', { text: 'OramaOS operator login v1' }, 400],
  ['a login with a short signature', 'login', { text: 'x', signature: '0x00' }, 400],
  ['a login of 5 KB', 'login', { text: 'x'.repeat(5000) }, 413],
  ['a refresh with nothing', 'refresh', {}, 400],
  ['a refresh with a token of another kind', 'refresh', { refresh: 'a.b.c' }, 400],
  ['a refresh with a token of nobody', 'refresh', { refresh: 'A'.repeat(43) }, 401],
] as const

for (const [why, route, body, status] of refused)
  t.test(`refused with ${status}: ${why}`, async t => {
    const { ask, logged } = await gatewayWith(t, {})
    const answer = await ask('POST', `/v1/operator/${route}`, json(body))
    t.equal(answer.status, status)
    t.match(JSON.parse(answer.body), { error: /./, hint: /./ })
    t.notMatch(JSON.stringify(await logged(1)), /sign this|xxx|AAAA/)
  })

t.test('what is for operators is refused without a token of one, before the body is read', async t => {
  const { ask, bearer, token } = await gatewayWith(t, {
    'POST /mine': { access: 'operators', bodyBytesMax: 10, handle: () => ({ body: 'let in' }) },
  })
  for (const headers of [{}, { authorization: 'Bearer x' }, { cookie: `token=${token}` }]) {
    const answer = await ask('POST', '/mine', { headers, body: Buffer.alloc(900_000) })
    t.equal(answer.status, 401)
    t.equal(answer.headers['www-authenticate'], 'Bearer')
  }
  t.equal((await ask('POST', `/mine?access_token=${token}`)).status, 401)
  t.equal((await ask('POST', '/mine', { headers: bearer })).body, 'let in')
  t.equal((await ask('POST', '/mine', { headers: bearer, body: 'x'.repeat(11) })).status, 413)
})

t.test('it says how it is to anyone', async t => {
  const { ask } = await gatewayWith(t, {})
  t.same(JSON.parse((await ask('GET', '/health')).body), { healthy: true })
  t.same(JSON.parse((await ask('GET', '/v1/status')).body), { version: '0.1.0', cluster, uptimeS: 12 })
  const trouble = () => Promise.resolve('the registry does not answer')
  const ill = await gatewayWith(t, {}, { standing: { version: '0.1.0', cluster, uptimeS: () => 0, trouble } })
  const answer = await ill.ask('GET', '/health')
  t.same([answer.status, JSON.parse(answer.body)], [503, { healthy: false, trouble: await trouble() }])
})

t.test('metrics are for the network and this machine, and count what was answered', async t => {
  const { ask, logged } = await gatewayWith(t, {
    'GET /teapot': { access: 'anyone', handle: () => ({ status: 418, body: '' }) },
  })
  await ask('GET', '/teapot')
  await ask('GET', '/no-such-route-of-ours')
  await ask('POST', '/v1/operator/refresh', json({ refresh: 'A'.repeat(43) }))
  await logged(3)
  const { body, headers } = await ask('GET', '/metrics')
  t.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  const rows = body.split('\n')
  for (const row of [
    'orama_gateway_requests_total{route="GET /teapot",status="418"} 1',
    'orama_gateway_requests_total{route="none",status="404"} 1',
    'orama_gateway_request_seconds_bucket{route="GET /teapot",le="+Inf"} 1',
    'orama_gateway_request_seconds_count{route="GET /teapot"} 1',
    'orama_gateway_requests_in_flight 1',
    'orama_gateway_refused_total{reason="rate"} 0',
  ])
    t.ok(rows.includes(row), row)
  t.notMatch(body, 'no-such-route')
})

t.test('each request is one line, with nothing of what was sent', async t => {
  const { ask, bearer, logged } = await gatewayWith(t, {
    'POST /v1/thing/:id': {
      access: 'operators',
      bodyBytesMax: 100,
      handle: () => ({ status: 202, body: '' }),
    },
  })
  const headers = { ...bearer, 'x-request-id': 'SECRET', 'user-agent': 'SECRET' }
  const answer = await ask('POST', '/v1/thing/SECRET?q=SECRET', { headers, body: 'SECRET' })
  await ask('GET', '/SECRET')
  const lines = await logged(2)
  t.match(answer.headers['x-request-id'], /^[0-9a-f]{16}$/)
  t.match(lines[0], {
    time: /^\d{4}-.*Z$/,
    id: answer.headers['x-request-id'],
    method: 'POST',
    route: 'POST /v1/thing/:id',
    status: 202,
    ms: Number,
    address: '127.0.0.1',
    operator: operator.address,
  })
  t.match(lines[1], { method: 'GET', status: 404 })
  t.notMatch(JSON.stringify(lines), /SECRET/)
  t.notMatch(JSON.stringify(lines), bearer.authorization.slice(7))
})

t.test('a fault is a line of its own, and nothing to who asks', async t => {
  const { ask, logged } = await gatewayWith(t, {
    'GET /broken': {
      access: 'anyone',
      handle: () => Promise.reject(new Error('Cannot store: full', { cause: new Error('a path') })),
    },
  })
  const { status, body, headers } = await ask('GET', '/broken')
  t.equal(status, 500)
  t.notMatch(body, 'path')
  const id = headers['x-request-id']
  t.match(id, /^[0-9a-f]{16}$/)
  t.match(await logged(2), [
    { id, error: 'Cannot store: full: a path' },
    { id, status: 500 },
  ])
})

t.test('a client that goes before the answer is noted as gone', async t => {
  const begun = Promise.withResolvers<AbortSignal>()
  const { open, logged } = await gatewayWith(t, {
    'GET /slow': {
      access: 'anyone',
      handle: async ({ signal }) => {
        begun.resolve(signal)
        await once(signal, 'abort')
        return { body: '' }
      },
    },
  })
  const request = open('GET', '/slow').on('error', () => undefined)
  request.end()
  const signal = await begun.promise
  const gone = once(signal, 'abort')
  request.destroy()
  await gone
  t.match(await logged(1), [{ route: 'GET /slow', status: 499, cut: true }])
})

t.test('who asks too often is told to wait, and others are not', async t => {
  let nowMs = 0
  const any = { perSecond: 1, burst: 3, keysMax: 100 }
  const { ask } = await gatewayWith(t, {}, { rates: { any }, nowMs: () => nowMs })
  for (let at = 0; at < 3; at++) t.equal((await ask('GET', '/health')).status, 200)
  const over = await ask('GET', '/health')
  t.same([over.status, over.headers['retry-after']], [429, '1'])
  t.equal((await ask('GET', '/nothing')).status, 429, 'whatever is asked for')
  t.equal((await ask('GET', '/health', { localAddress: '127.0.0.2' })).status, 200)
  nowMs = 1000
  t.equal((await ask('GET', '/health')).status, 200)
  nowMs = 10_000
  t.match((await ask('GET', '/metrics')).body, 'orama_gateway_refused_total{reason="rate"} 2')
})

t.test('of the requests on one connection each is judged, paced and logged by itself', async t => {
  const any = { perSecond: 1, burst: 4, keysMax: 100 }
  const mine = { access: 'operators', handle: () => ({ body: 'let in' }) } as const
  const changes = { rates: { any }, nowMs: () => 0 }
  const { server, ask, bearer, logged } = await gatewayWith(t, { 'GET /mine': mine }, changes)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => {
    agent.destroy()
  })
  let connections = 0
  server.on('secureConnection', () => (connections += 1))
  const asked = [{ headers: bearer }, { headers: bearer }, {}, { headers: bearer }, { headers: bearer }]
  const statuses: number[] = []
  for (const how of asked) statuses.push((await ask('GET', '/mine', { ...how, agent })).status)
  t.same(statuses, [200, 200, 401, 200, 429])
  t.equal(connections, 2, 'a refusal ends one')
  t.same(
    (await logged(5)).map(({ operator: who }) => who),
    [operator.address, operator.address, undefined, operator.address, undefined],
  )
})

t.test('signing in has a slower pace', async t => {
  const slow = { perSecond: 1, burst: 2, keysMax: 100 }
  const { ask } = await gatewayWith(t, {}, { rates: { slow }, nowMs: () => 0 })
  const challenge = () => ask('POST', '/v1/operator/challenge', json({ address: operator.address }))
  t.same(
    [(await challenge()).status, (await challenge()).status, (await challenge()).status],
    [200, 200, 429],
  )
  t.equal((await ask('POST', '/v1/operator/refresh', json({ refresh: 'A'.repeat(43) }))).status, 429)
  t.equal((await ask('GET', '/health')).status, 200)
})

t.test('plain HTTP, old TLS and silence are refused, and the next is served', async t => {
  const { port, ask } = await gatewayWith(t, {}, { limits: { headersMs: 300 } })
  const plain = httpRequest({ port, host: '127.0.0.1', path: '/health', agent: false })
  const failed = once(plain, 'response')
  plain.end()
  await t.rejects(failed, { code: 'ECONNRESET' })
  const old = connect({ port, host: '127.0.0.1', maxVersion: 'TLSv1.2', rejectUnauthorized: false })
  await t.rejects(once(old, 'secureConnect'), { message: /alert/ })
  const silent = connectTcp({ port, host: '127.0.0.1' }).on('error', () => undefined)
  t.equal(await received(silent), '')
  const { body } = await ask('GET', '/metrics')
  t.match(body, 'orama_gateway_refused_total{reason="tls"} 3')
})

t.test('a handshake, then headers that never end, is cut', async t => {
  const { port } = await gatewayWith(t, {}, { limits: { headersMs: 300, requestMs: 300 } })
  const slow = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }).on('error', () => undefined)
  await once(slow, 'secureConnect')
  const all = received(slow)
  slow.write('GET / HTTP/1.1\r\nhost:')
  t.match(await all, /^HTTP\/1.1 408 /)
})

t.test('connections are so many an address and so many in all, over TLS too', async t => {
  const { port, server, ask } = await gatewayWith(
    t,
    {},
    { limits: { connectionsMax: 4, connectionsPerAddressMax: 3 } },
  )
  const dial = async (localAddress: string) => {
    const plain = connectTcp({ port, host: '127.0.0.1', localAddress })
    const socket = connect({ socket: plain, rejectUnauthorized: false }).on('error', () => undefined)
    await once(socket, 'secureConnect')
    return socket
  }
  const held = [await dial('127.0.0.2'), await dial('127.0.0.2'), await dial('127.0.0.2')]
  const over = connectTcp({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }).on('error', () => undefined)
  t.equal(await received(over), '')
  held.push(await dial('127.0.0.3'))
  const drop = once(server, 'drop')
  const dropped = connectTcp({ port, host: '127.0.0.1', localAddress: '127.0.0.4' }).on(
    'error',
    () => undefined,
  )
  await Promise.all([drop, received(dropped)])
  const freed = new Promise<void>(resolve => {
    const poll = () => {
      server.getConnections((_, count) => {
        if (count === 0) resolve()
        else setImmediate(poll)
      })
    }
    poll()
  })
  for (const socket of held) socket.destroy()
  await freed
  for (let at = 0; at < 3; at++)
    t.equal((await ask('GET', '/health', { localAddress: '127.0.0.2' })).status, 200)
  const { body } = await ask('GET', '/metrics')
  t.match(body, 'orama_gateway_refused_total{reason="address"} 1')
  t.match(body, 'orama_gateway_refused_total{reason="connections"} 1')
})
