import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import * as z from 'zod'
import { HttpError } from '../../http/error.ts'
import { closeHttp, serveHttp } from '../../http/server.ts'
import { ask, bodyBytesMax, dial, raw, received, routes, serving, socketPath, unheard } from './serving.ts'

const answers = [
  ['GET', '/', 200, 'text/plain; charset=utf-8', 'hello'],
  ['GET', '/?query', 200, 'text/plain; charset=utf-8', 'hello'],
  ['GET', '/json?a=1', 200, 'application/json', '{"asked":"?a=1"}\n'],
  ['POST', '/echo', 200, 'text/plain; charset=utf-8', ''],
  ['GET', '/stream', 200, undefined, 'streamed'],
  ['HEAD', '/', 200, 'text/plain; charset=utf-8', ''],
  ['HEAD', '/stream', 200, 'text/plain; charset=utf-8', ''],
] as const

for (const [method, path, status, type, body] of answers)
  t.test(`${method} ${path} is answered`, async t => {
    const { port } = await serving(t, routes)
    const answer = await ask(port, [method, path])
    t.equal(answer.status, status)
    t.equal(answer.headers['content-type'], type)
    t.equal(answer.body, body)
  })

const refusals = [
  ['GET', '/nothing', 404, 'no such route'],
  ['GET', '/echo', 405, 'method not allowed'],
  ['HEAD', '/echo', 405, 'method not allowed'],
  ['DELETE', '/', 405, 'method not allowed'],
  ['POST', '/refused', 405, 'method not allowed'],
  ['GET', '/refused', 418, 'no'],
  ['GET', '/broken', 500, 'internal error'],
  ['GET', '/__proto__', 404, 'no such route'],
  ['GET', '/constructor', 404, 'no such route'],
  ['GET', '/echo/', 404, 'no such route'],
  ['GET', '//', 400, 'the address makes no sense'],
  ['GET', 'http://[', 400, 'the address makes no sense'],
  ['GET', '//host:99999/', 400, 'the address makes no sense'],
  ['OPTIONS', '*', 404, 'no such route'],
  ['PURGE', '/', 405, 'method not allowed'],
] as const

for (const [method, path, status, error] of refusals)
  t.test(`${method} ${path} is refused with ${status}`, async t => {
    const { port } = await serving(t, routes)
    const answer = await ask(port, [method, path])
    t.equal(answer.status, status)
    t.equal(answer.headers.connection, 'close')
    if (method === 'HEAD') return
    const told = z.strictObject({ error: z.string(), hint: z.string().min(1) }).parse(JSON.parse(answer.body))
    t.equal(told.error, error)
    t.notMatch(answer.body, 'secret')
  })

t.test('a method that is not allowed is told which are', async t => {
  const { port } = await serving(t, { ...routes, 'PUT /echo': { handle: () => ({ body: '' }) } })
  const { headers, body } = await ask(port, ['GET', '/echo'])
  t.equal(headers['allow'], 'POST, PUT')
  t.match(body, 'use POST /echo or PUT /echo')
})

t.test('what is no path is refused', async t => {
  const { port } = await serving(t, routes)
  for (const target of ['__proto__', 'constructor', 'data:text/plain,x', 'mailto:'])
    t.match(await raw(port, `GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`), /^HTTP\/1.1 40[04] /)
})

t.test('an address in absolute form is that of its path, whatever its host', async t => {
  const { port } = await serving(t, routes)
  t.match(await raw(port, 'GET http://other.example/json HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1.1 200 /)
})

const malformed = [
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01', /^HTTP\/1.1 400 /],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1.1 400 /],
  [
    'two lengths',
    'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
    /^HTTP\/1.1 400 /,
  ],
  [
    'length and chunks',
    'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1.1 400 /,
  ],
  ['a negative length', 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n', /^HTTP\/1.1 400 /],
  [
    'a length beyond numbers',
    `POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: ${'9'.repeat(30)}\r\n\r\n`,
    /^HTTP\/1.1 400 /,
  ],
  [
    'a chunk that is none',
    'POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    /^HTTP\/1.1 400 /,
  ],
  ['huge headers', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(9000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
  ['an unknown expectation', 'GET / HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\n\r\n', /^HTTP\/1.1 417 /],
  ['a tunnel', 'CONNECT other:80 HTTP/1.1\r\nhost: x\r\n\r\n', /^$/],
] as const

for (const [why, bytes, answer] of malformed)
  t.test(`refused and closed: ${why}; the next is served`, async t => {
    const { port } = await serving(t, routes)
    t.match(await raw(port, bytes), answer)
    t.equal((await ask(port, ['GET', '/'])).status, 200)
  })

t.test('a body of the largest size is taken', async t => {
  const { port } = await serving(t, routes)
  t.equal((await ask(port, ['POST', '/echo'], 'x'.repeat(bodyBytesMax))).body.length, bodyBytesMax)
})

t.test('a body one byte too long by its content-length is refused with 413', async t => {
  const { port } = await serving(t, routes)
  const answer = await ask(port, ['POST', '/echo'], 'x'.repeat(bodyBytesMax + 1))
  t.equal(answer.status, 413)
  t.match(answer.body, `send at most ${bodyBytesMax} bytes`)
})

t.test('a body of 1 MB is refused before it is sent, and the client reads the refusal', async t => {
  const { port } = await serving(t, routes)
  t.equal((await ask(port, ['POST', '/echo'], Buffer.alloc(1_000_000))).status, 413)
})

t.test(
  'a body in chunks that grows too long is refused with 413, and the client reads the refusal',
  async t => {
    const { port } = await serving(t, routes)
    const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/echo', agent: false })
    const answered = once(request, 'response')
    for (let sent = 0; sent < 100; sent++) request.write(Buffer.alloc(1000))
    const [response] = (await answered) as [IncomingMessage]
    request.end()
    t.equal(response.statusCode, 413)
    t.match(await text(response), 'body too large')
  },
)

t.test('a fault is reported where it happened, and not to who asked', async t => {
  const reported: unknown[] = []
  const { port } = await serving(t, routes, { report: error => reported.push(error) })
  t.notMatch((await ask(port, ['GET', '/broken'])).body, /secret/)
  t.match(reported, [{ message: 'a path: /secret' }])
})

t.test('after a refusal the rest of a body is taken, so that the reply is not lost', async t => {
  const { port, server } = await serving(t, routes)
  const connected = once(server, 'connection') as Promise<[Socket]>
  const socket = await dial(port)
  const [peer] = await connected
  const all = received(socket)
  const head = 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n'
  const replied = once(socket, 'data')
  socket.write(head)
  await replied
  const closed = new Promise(resolve => peer.once('close', resolve))
  socket.write('x'.repeat(5000))
  t.match(await all, /^HTTP\/1.1 413 /)
  await closed
  t.equal(peer.bytesRead, head.length + 5000)
})

t.test('a body without end is cut off', async t => {
  const { port } = await serving(t, routes)
  const socket = await dial(port)
  const closed = received(socket)
  socket.write('POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', more)
  more()
  await closed
  t.equal((await ask(port, ['GET', '/'])).status, 200)
})

t.test('a body that breaks off does no harm', async t => {
  const { port, server } = await serving(t, routes)
  const socket = await dial(port)
  const taken = once(server, 'request') as Promise<[IncomingMessage]>
  socket.write('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc')
  const [request] = await taken
  const gone = new Promise(resolve => request.once('close', resolve))
  socket.resetAndDestroy()
  await gone
  t.equal((await ask(port, ['GET', '/'])).status, 200)
})

t.test('a reply that breaks off is cut, not ended as if it were whole', async t => {
  const { port } = await serving(t, routes)
  const answer = await raw(port, 'GET /torn HTTP/1.1\r\nhost: x\r\n\r\n')
  t.notMatch(answer, /internal error|half.{6}/)
  t.equal((await ask(port, ['GET', '/'])).status, 200)
})

t.test('of pipelined requests only the first is carried out', async t => {
  const bodies: string[] = []
  const { port } = await serving(t, {
    'POST /': {
      bodyBytesMax,
      handle: ({ body }) => {
        bodies.push(body.toString())
        return { body: 'done' }
      },
    },
  })
  const one = (body: string) => `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n${body}`
  const answer = await raw(port, ['a', 'b', 'c'].map(one).join(''))
  t.same(bodies, ['a'])
  t.equal(answer.match(/HTTP\/1.1 200 /g)?.length, 1)
})

t.test('a guard runs before the route, and before a body is taken', async t => {
  const seen: string[] = []
  const { port } = await serving(t, routes, {
    guard: (_, path) => {
      seen.push(path)
      if (path !== '/json') throw new HttpError(401, 'unauthorized', 'bring a token')
    },
  })
  t.equal((await ask(port, ['GET', '/json'])).status, 200)
  t.equal((await ask(port, ['GET', '/x/../json'])).status, 200, 'by the path that is routed')
  const large = await ask(port, ['POST', '/echo'], Buffer.alloc(900_000))
  t.equal(large.status, 401)
  t.equal((await ask(port, ['GET', '/nothing'])).status, 401)
  t.same(seen, ['/json', '/json', '/echo', '/nothing'])
})

t.test('bytes are sent as they are, and given back once they are out', async t => {
  const bytes = Buffer.from([0, 255, 10, 13])
  const sent = Promise.withResolvers<undefined>()
  const { port } = await serving(t, {
    'GET /': { handle: () => ({ body: bytes, sent: () => sent.resolve(undefined) }) },
  })
  const answer = await raw(port, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await sent.promise
  t.match(answer, /content-type: application\/octet-stream\r\ncontent-length: 4\r\n/)
  t.ok(answer.endsWith(`\r\n\r\n${bytes.toString('latin1')}`))
})

t.test('a body is given back also where who asked has gone before', async t => {
  const sent = Promise.withResolvers<undefined>()
  const { port, server } = await serving(t, {
    'GET /': {
      handle: async () => {
        await gone
        return { body: Buffer.alloc(4), sent: () => sent.resolve(undefined) }
      },
    },
  })
  const gone = new Promise(resolve =>
    server.once('request', (_, response: ServerResponse) => response.once('close', resolve)),
  )
  const socket = await dial(port)
  const asked = once(server, 'request')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await asked
  socket.resetAndDestroy()
  await t.resolves(sent.promise)
})

t.test('a Unix socket is served as a port is, and is gone when the server is', async t => {
  const path = await socketPath(t)
  const server = await serveHttp({ path, routes, report: unheard })
  const request = httpRequest({ socketPath: path, path: '/json?a', agent: false })
  const answered = once(request, 'response')
  request.end()
  const [response] = (await answered) as [IncomingMessage]
  t.equal(await text(response), '{"asked":"?a"}\n')
  await closeHttp(server)
  t.notOk(existsSync(path))
})

t.test('serveHttp() takes no Unix socket that is there already', async t => {
  const path = await socketPath(t)
  await writeFile(path, '')
  await t.rejects(serveHttp({ path, routes, report: unheard }), { code: 'EADDRINUSE' })
})
