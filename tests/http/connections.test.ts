import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { closeHttp, serveHttp } from '../../http/server.ts'
import { ask, dial, received, routes, type Serving, serving, unheard } from './serving.ts'

t.test('headers that come slowly end the connection, as does one that says nothing', async t => {
  const { port, server } = await serving(t, routes)
  server.headersTimeout = 1
  server.requestTimeout = 1
  const [slow, silent] = [await dial(port), await dial(port)]
  const ends = [received(slow), received(silent)]
  slow.write('GET / HTTP/1.1\r\nhost:')
  const [answer] = await Promise.all(ends)
  t.match(answer, /^HTTP\/1.1 408 /)
})

t.test('the limits of time and size are set', async t => {
  const { server } = await serving(t, routes)
  t.equal(server.headersTimeout, 5000)
  t.equal(server.requestTimeout, 10_000)
  t.equal(server.maxConnections, 64)
})

/** Opens connections until `count` have been taken or dropped. */
async function fill(of: Serving, count: number, localAddress: string): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let at = 0; at < count; at++) sockets.push(await dial(of.port, localAddress))
  return sockets
}

t.test('one address holds 32 connections at most; another is still served', async t => {
  const of = await serving(t, routes)
  const held = await fill(of, 32, '127.0.0.2')
  const [over] = await fill(of, 1, '127.0.0.2')
  if (over === undefined) throw new Error('no connection')
  t.equal(await received(over), '')
  t.equal((await ask(of.port, ['GET', '/'])).status, 200)
  const left = received(held[0] as Socket)
  held[0]?.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  t.match(await left, /hello$/, 'what it held before goes on')
  for (const socket of held) socket.destroy()
})

t.test('beyond 64 connections new ones are dropped until others end', async t => {
  const of = await serving(t, routes)
  const held = [...(await fill(of, 32, '127.0.0.2')), ...(await fill(of, 32, '127.0.0.3'))]
  const dropped = once(of.server, 'drop')
  const over = await dial(of.port)
  await Promise.all([dropped, received(over)])
  const freed = new Promise<void>(resolve => {
    const poll = () => {
      of.server.getConnections((_, count) => {
        if (count === 0) resolve()
        else setImmediate(poll)
      })
    }
    poll()
  })
  for (const socket of held) socket.destroy()
  await freed
  t.equal((await ask(of.port, ['GET', '/'])).status, 200)
})

t.test('an error of accept does not end the process', async t => {
  const { server, port } = await serving(t, routes)
  t.ok(server.emit('error', new Error('accept ENETDOWN')))
  t.ok(server.emit('error', new Error('accept ENETDOWN')))
  t.equal((await ask(port, ['GET', '/'])).status, 200)
})

t.test('serveHttp() says when it cannot have its port', async t => {
  const { port } = await serving(t, routes)
  await t.rejects(serveHttp({ address: '127.0.0.1', port, routes, report: unheard }), { code: 'EADDRINUSE' })
  await t.rejects(serveHttp({ address: '192.0.2.1', port: 0, routes, report: unheard }), {
    code: 'EADDRNOTAVAIL',
  })
})

t.test(
  'closeHttp() lets a reply that is under way come to its end, and takes no new connections',
  async t => {
    const started = Promise.withResolvers<undefined>()
    const finish = Promise.withResolvers<undefined>()
    const { server, port } = await serving(t, {
      'GET /': {
        handle: async () => {
          started.resolve(undefined)
          await finish.promise
          return { body: 'late but whole' }
        },
      },
    })
    const answer = ask(port, ['GET', '/'])
    await started.promise
    const closed = closeHttp(server)
    await t.rejects(ask(port, ['GET', '/']), { code: 'ECONNREFUSED' })
    finish.resolve(undefined)
    t.equal((await answer).body, 'late but whole')
    await closed
  },
)

t.test('closeHttp() does not wait for ever for a reply without end', async t => {
  const { server, port } = await serving(t, {
    'GET /': {
      handle: () => ({ body: '' }),
      stream: (_, response) => {
        response.writeHead(200)
        response.write('on and on')
        return new Promise(() => undefined)
      },
    },
  })
  const socket = await dial(port)
  const all = received(socket)
  const first = once(socket, 'data')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await first
  await closeHttp(server)
  t.match(await all, 'on and on')
})
