import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
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

t.test('a TCP probe wants a connection only', async t =>
  withService(
    () => undefined,
    async port => t.equal(await probeService({ ...probed(port), readiness: { tcp: { port } } }, ''), true),
  ),
)

t.test('a port where nobody listens is not ready', async t => {
  let closed = 0
  await withService(
    () => undefined,
    async port => void (closed = port),
  )
  t.equal(await probeService(probed(closed), ''), false)
  t.equal(await probeService({ ...probed(closed), readiness: { tcp: { port: closed } } }, ''), false)
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
