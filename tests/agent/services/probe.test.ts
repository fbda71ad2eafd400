import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import t from 'tap'
import { probeService } from '../../../agent/services/probe.ts'
import { manifest } from './example.ts'

/** A service on loopback that answers with `listener`. */
async function withService(listener: RequestListener, use: (port: number) => Promise<unknown>) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await use((server.address() as AddressInfo).port)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function probed(port: number, on: 'loopback' | 'wireguard' = 'loopback', path = '/readyz') {
  const ports = [{ port, protocol: 'tcp' as const, on }]
  return { ...manifest({ name: 'one' }), ports, readiness: { http: { port, path } } }
}

const statuses = [
  [200, true],
  [204, true],
  [301, false],
  [401, false],
  [503, false],
] as const
for (const [status, ready] of statuses)
  t.test(`status ${status} means ${ready ? 'ready' : 'not ready'}`, async t =>
    withService(
      (request, response) => {
        t.equal(request.url, '/readyz')
        response.writeHead(status).end('body')
      },
      async port => t.equal(await probeService(probed(port), '192.0.2.1'), ready),
    ),
  )

t.test("a port on WireGuard is called at the node's address there", async t =>
  withService(
    (_, response) => response.end(),
    async port => {
      t.equal(await probeService(probed(port, 'wireguard'), '127.0.0.1'), true)
      t.equal(await probeService(probed(port, 'wireguard'), '127.0.0.2'), false)
    },
  ),
)

/** Whether a service on loopback whose connections are handled so is good, asked with `ping`. */
async function goodByTcp(handle: (socket: Socket) => void): Promise<boolean> {
  const server = createTcpServer(handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await probeService(probedByTcp((server.address() as AddressInfo).port), '')
  } finally {
    server.close()
  }
}

function probedByTcp(port: number) {
  const service = probed(port)
  const intervals = { ...service.intervals, probeS: 1 }
  return { ...service, intervals, readiness: { tcp: { port, send: Buffer.from('ping').toString('hex') } } }
}

t.test('a TCP probe sends what it is told to, and any answer is good', async t => {
  const heard: string[] = []
  const good = await goodByTcp(socket => {
    socket.on('data', data => {
      heard.push(data.toString())
      socket.end('-')
    })
  })
  t.same([good, heard], [true, ['ping']])
})

const deaf = [
  ['accepts and says nothing', (socket: Socket) => socket.resume()],
  ['accepts and hangs up', (socket: Socket) => socket.end()],
  ['accepts and breaks off', (socket: Socket) => socket.resetAndDestroy()],
] as const
for (const [what, handle] of deaf)
  t.test(`a TCP probe is not content with a service that ${what}`, async t =>
    t.equal(
      await goodByTcp(socket => {
        socket.on('error', () => undefined)
        handle(socket)
        t.teardown(() => socket.destroy())
      }),
      false,
    ),
  )

for (const kind of ['tcp', 'http'] as const)
  t.test(`a stopped process, for which the kernel accepts, is not good by ${kind}`, async t => {
    const program = `require('http').createServer((q, r) => r.end()).listen(0, '127.0.0.1', function () {
      process.stdout.write(String(this.address().port)) })`
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    const byTcp = probedByTcp(Number(said.toString()))
    const asked = kind === 'tcp' ? byTcp : { ...probed(Number(said.toString())), intervals: byTcp.intervals }
    t.equal(await probeService(asked, ''), true)
    child.kill('SIGSTOP')
    t.equal(await probeService(asked, ''), false)
  })

t.test('a port where nobody listens is not ready', async t => {
  let closed = 0
  await withService(
    () => undefined,
    async port => void (closed = port),
  )
  t.equal(await probeService(probed(closed), ''), false)
  t.equal(await probeService(probedByTcp(closed), ''), false)
})

t.test('a service that accepts and never answers is not ready', async t =>
  withService(
    () => undefined,
    async port => {
      const slow = probed(port)
      t.equal(await probeService({ ...slow, intervals: { ...slow.intervals, probeS: 1 } }, ''), false)
    },
  ),
)

for (const [kind, path] of [
  ['readiness', '/readyz'],
  ['health', '/livez?x'],
] as const)
  t.test(`a service with two probes is asked for its ${kind} by that one`, async t =>
    withService(
      (request, response) => response.writeHead(request.url === path ? 200 : 503).end(),
      async port => {
        const service = { ...probed(port), health: { http: { port, path: '/livez?x' } } }
        t.equal(await probeService(service, '', kind), true)
      },
    ),
  )

t.test('a service with one probe is asked for its health by that', async t =>
  withService(
    (request, response) => response.writeHead(request.url === '/readyz' ? 200 : 503).end(),
    async port => t.equal(await probeService(probed(port), '', 'health'), true),
  ),
)
