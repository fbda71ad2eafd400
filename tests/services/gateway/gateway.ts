import { EventEmitter, once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { closeHttp } from '../../../http/server.ts'
import type { GatewayRoutes } from '../../../services/gateway/access.ts'
import { deriveCertificate } from '../../../services/gateway/certificate.ts'
import { operatorRoutes } from '../../../services/gateway/operator-routes.ts'
import { type Gateway, serveGateway } from '../../../services/gateway/server.ts'
import { cluster } from '../../protocol/cluster/sample.ts'
import { gatewayKey, deskAt, loginFor, operator } from './samples.ts'

export const certificate = await deriveCertificate(gatewayKey, {
  cluster,
  from: '2026-11-21T08:00:00Z',
  names: ['gateway.test'],
  addresses: ['127.0.0.1'],
})

export type Ask = {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Where the client asks from. */
  readonly localAddress?: string
  /** Who keeps connections; without, each request has its own. */
  readonly agent?: Agent | false
}
export type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }

/** A gateway on loopback with these routes besides its own, a client, and a token of an operator. */
export async function gatewayWith(t: Test, routes: GatewayRoutes, changes: Partial<Gateway> = {}) {
  const { desk } = deskAt()
  const { write, logged } = logBook()
  const server = await serveGateway({
    address: '127.0.0.1',
    port: 0,
    certificate,
    network: { address: '127.0.9.1', prefix: 24 },
    signIn: desk,
    standing: { version: '0.1.0', cluster, uptimeS: () => 12.7, trouble: () => Promise.resolve(undefined) },
    routes: { ...operatorRoutes(desk), ...routes },
    write,
    ...changes,
  })
  t.teardown(() => closeHttp(server))
  const { port } = server.address() as AddressInfo
  const { token } = await desk.login(loginFor(desk.challenge(operator.address)))
  const { open, ask } = client(port)
  return { server, port, desk, token, logged, open, ask, bearer: { authorization: `Bearer ${token}` } }
}

/** Asks a gateway on loopback that has the certificate above. */
export function client(port: number) {
  const open = (method: string, path: string, { headers, localAddress, agent = false }: Ask = {}) =>
    httpsRequest({
      ...to(port),
      method,
      path,
      ...(headers && { headers }),
      ...(localAddress && { localAddress }),
      agent,
    })
  const ask = async (method: string, path: string, how: Ask = {}): Promise<Answer> => {
    const request = open(method, path, how)
    const answered = once(request, 'response')
    request.end(how.body)
    const [response] = (await answered) as [IncomingMessage]
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
  }
  return { open, ask }
}

type Line = Readonly<Record<string, unknown>>

/** What was logged; a line comes when its answer has ended here, which may be after the client has it. */
export function logBook() {
  const lines: Line[] = []
  const written = new EventEmitter()
  return {
    write: (line: string) => {
      lines.push(JSON.parse(line) as Line)
      written.emit('line')
    },
    logged: async (count: number): Promise<readonly Line[]> => {
      while (lines.length < count) await once(written, 'line')
      return lines
    },
  }
}

const to = (port: number): RequestOptions => ({
  port,
  host: '127.0.0.1',
  servername: 'gateway.test',
  ca: certificate.certificate,
})
