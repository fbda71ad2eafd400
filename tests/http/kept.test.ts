import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { Routes } from '../../http/server.ts'
import { bodyBytesMax, dial, received, routes, serving } from './serving.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`
const post = (body: string) =>
  `POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`

const keeping = (t: Test, served: Routes, more: { requestsPerConnection?: number; keptMs?: number } = {}) =>
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
