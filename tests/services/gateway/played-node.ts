import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, type Server as TcpServer } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { proxyRoutes, type Proxy } from '../../../services/gateway/proxy.ts'
import { authority, someNodeId } from '../../protocol/cluster/sample.ts'
import { gatewayWith } from './gateway.ts'

const owner = authority.address
/** One that a test plays, one that is switched off, and one that claims an address outside of the network. */
export const nodes = [
  { nodeId: someNodeId(1), address: '127.0.9.1', owner },
  { nodeId: someNodeId(2), address: '127.0.9.2', owner },
  { nodeId: someNodeId(3), address: '127.0.8.1', owner },
] as const
export const [here, off, outside] = nodes
const network = { address: '127.0.9.1', prefix: 24 }
const tokenOf = (nodeId: string) => Promise.resolve(Buffer.alloc(32, nodeId === here.nodeId ? 0xab : 0xcd))

export async function listening(t: Test, server: Server | TcpServer): Promise<number> {
  server.listen(0, here.address)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** A gateway before a node that answers as told. */
export async function before(
  t: Test,
  answer: RequestListener,
  changes: Omit<Partial<Proxy>, 'caller'> & Partial<Proxy['caller']> = {},
) {
  const port = await listening(t, createServer(answer))
  return gatewayAt(t, port, changes)
}

export async function gatewayAt(
  t: Test,
  port: number,
  {
    cluster = { network, nodes: () => nodes },
    streamIdleMs = 60_000,
    note,
    ...caller
  }: Parameters<typeof before>[2] = {},
) {
  const proxy = { cluster, streamIdleMs, ...(note && { note }), caller: { tokenOf, port, ...caller } }
  return gatewayWith(t, proxyRoutes(proxy), { network })
}

export type Asked = {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A node that says what it was asked. */
export const echo: RequestListener = (request, response) => {
  void text(request).then(body => {
    const { method, url, headers } = request
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ method, url, headers, body }))
  })
}
