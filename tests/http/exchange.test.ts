import { once } from 'node:events'
import { mock } from 'node:test'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { exchange } from '../../http/exchange.ts'
import { fullPort } from './full-port.ts'

const ask = (port: number, more: Partial<Parameters<typeof exchange>[0]> = {}) =>
  exchange({
    ...{ to: { host: '127.0.0.1', port }, method: 'GET', path: '/', bytesMax: 100 },
    ...{ signal: AbortSignal.timeout(20_000), ...more },
  })

/** Takes connections and does with them what it is told. */
async function listen(t: Test, hear: (socket: Socket) => void): Promise<number> {
  const server = createServer(socket => {
    t.teardown(() => socket.destroy())
    socket.on('error', () => undefined)
    hear(socket)
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

t.test('who takes no connection is not waited for', async t => {
  const port = await fullPort(t)
  await t.rejects(ask(port, { connectMs: 300 }), { message: 'no connection within 300 ms' })
})

t.test('who takes it may be slow with the answer', async t => {
  const heard = Promise.withResolvers<Socket>()
  const port = await listen(t, heard.resolve)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const answer = ask(port, { connectMs: 300 })
  const socket = await heard.promise
  // What has come was sent on a connection that the other side knows of.
  await once(socket, 'data')
  mock.timers.tick(301)
  socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  t.match(await answer, { status: 200, content: Buffer.from('ok') })
})

t.test('but not for ever', async t => {
  const port = await listen(t, () => undefined)
  await t.rejects(ask(port, { connectMs: 300, signal: AbortSignal.timeout(500) }), { name: 'AbortError' })
})

t.test('who refuses the connection is heard at once', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: closed } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  await t.rejects(ask(closed, { connectMs: 20_000 }), { code: 'ECONNREFUSED' })
})

t.test('an answer that is too long is refused', async t => {
  const port = await listen(t, socket => socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(101)}`))
  await t.rejects(ask(port), RangeError)
})
