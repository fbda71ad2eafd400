import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { closeHttp, type Limits, type Routes, serveHttp } from '../../http/server.ts'
import { HttpError } from '../../http/error.ts'
import { bodyBytesMax, dial, received, routes, serving, unheard } from './serving.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`
const post = (body: string) =>
  `POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`

const keeping = (t: Test, served: Routes, more: Partial<Limits> = {}) =>
  serving(t, served, { limits: { requestsPerConnection: 3, keptMs: 60_000, ...more } })

/** The next answer on a connection, whole: those of the routes here come in one piece. */
async function next(socket: Socket, request: string): Promise<string> {
  const answer = once(socket, 'data')
  socket.write(request)
  return String((await answer)[0])
}

t.test('one connection has so many answers, and the last says that it ends', async t => {
  const { port } = await keeping(t, routes)
  const socket = await dial(port)
  t.match(await next(socket, get('/')), /^HTTP\/1.1 200 [^]*\r\nconnection: keep-alive\r\n[^]*hello$/i)
  t.match(await next(socket, post('again')), /\r\nconnection: keep-alive\r\n[^]*again$/i)
  const rest = received(socket)
  socket.write(get('/json'))
  t.match(await rest, /^HTTP\/1.1 200 [^]*\r\nconnection: close\r\n[^]*asked/i)
})

t.test('what comes after the last is not carried out', async t => {
  let count = 0
  const counting: Routes = { 'GET /': { handle: () => ({ body: String((count += 1)) }) } }
  const { port } = await keeping(t, counting, { requestsPerConnection: 2 })
  const socket = await dial(port)
  await next(socket, get('/'))
  const rest = received(socket)
  socket.write(get('/') + get('/'))
  await rest
  t.equal(count, 2)
})

const refused = [
  ['nothing there', get('/nothing'), 404],
  ['no such method', 'DELETE / HTTP/1.1\r\nhost: x\r\n\r\n', 405],
  ['a refusal of the route', get('/refused'), 418],
  ['a fault', get('/broken'), 500],
  ['too long a body', `POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: ${bodyBytesMax + 1}\r\n\r\n`, 413],
] as const

for (const [why, request, status] of refused)
  t.test(`a refusal ends the connection: ${why}`, async t => {
    const { port } = await keeping(t, routes)
    const socket = await dial(port)
    await next(socket, get('/'))
    const rest = received(socket)
    socket.write(request)
    // Bytes of the body that was refused: they must not be taken for a request.
    if (status === 413) socket.write(get('/json').padEnd(bodyBytesMax + 1))
    const answer = await rest
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*\r\nconnection: close\r\n`, 'i'))
    t.equal(answer.match(/HTTP\/1.1 /g)?.length, 1)
  })

t.test('a request before the answer to another is refused, and ends the connection', async t => {
  const bodies: string[] = []
  const go = Promise.withResolvers<undefined>()
  const { port } = await keeping(t, {
    'POST /echo': {
      bodyBytesMax,
      handle: async ({ body }) => {
        bodies.push(String(body))
        await go.promise
        return { body: 'done' }
      },
    },
  })
  const socket = await dial(port)
  const all = received(socket)
  socket.write(post('first') + post('second'))
  go.resolve(undefined)
  const answer = await all
  t.same(bodies, ['first'])
  t.match(answer, /^HTTP\/1.1 200 [^]*doneHTTP\/1.1 400 [^]*wait for each answer/)
})

t.test('a connection on which no request follows ends', async t => {
  const { port } = await keeping(t, routes, { keptMs: 1 })
  const socket = await dial(port)
  const all = received(socket)
  socket.write(get('/'))
  t.match(await all, /connection: keep-alive\r\n[^]*hello$/i)
})

t.test('a client that wants its connection ended has that', async t => {
  const { port } = await keeping(t, routes)
  const socket = await dial(port)
  const all = received(socket)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  t.match(await all, /\r\nconnection: close\r\n[^]*hello$/i)
})

t.test('nor does one stay on which bytes come that begin none', async t => {
  const { port } = await keeping(t, routes, { keptMs: 20, headersMs: 20 })
  const socket = await dial(port)
  await next(socket, get('/'))
  const drip = setInterval(() => socket.write('\r\n'), 1)
  t.equal(await received(socket), '')
  clearInterval(drip)
})

t.test('an expectation that nobody knows is guarded, seen and refused, and ends the connection', async t => {
  const seen: string[] = []
  const server = await serveHttp({
    address: '127.0.0.1',
    port: 0,
    routes,
    report: unheard,
    limits: { requestsPerConnection: 3, keptMs: 60_000 },
    watch: ({ request }) => seen.push(request.url ?? ''),
    guard: (_, path) => {
      if (path === '/guarded') throw new HttpError(429, 'too many', 'wait')
    },
  })
  t.teardown(() => closeHttp(server))
  const { port } = server.address() as AddressInfo
  const ask = async (path: string) => {
    const socket = await dial(port)
    const all = received(socket)
    const length = 10_000_000
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\ncontent-length: ${length}\r\n\r\n`)
    socket.write(Buffer.alloc(length))
    return all
  }
  t.match(await ask('/'), /^HTTP\/1.1 417 [^]*\r\nconnection: close\r\n/i)
  t.match(await ask('/guarded'), /^HTTP\/1.1 429 /)
  t.same(seen, ['/', '/guarded'])
})

t.test('a server that closes ends a kept connection with the answer that was under way', async t => {
  const [begun, finish] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
  const { port, server } = await keeping(t, {
    'GET /': {
      handle: async () => {
        begun.resolve(undefined)
        await finish.promise
        return { body: 'whole' }
      },
    },
  })
  let forced = false
  const force = server.closeAllConnections.bind(server)
  server.closeAllConnections = () => {
    forced = true
    force()
  }
  const socket = await dial(port)
  const all = received(socket)
  socket.write(get('/'))
  await begun.promise
  const closed = closeHttp(server)
  finish.resolve(undefined)
  t.match(await all, /whole$/)
  await closed
  t.notOk(forced)
})
