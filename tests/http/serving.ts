import { once } from 'node:events'
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  IncomingMessage,
  type Server,
  ServerResponse,
} from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { HttpError } from '../../http/error.ts'
import { closeHttp, type Head, type Listener, type Routes, serveHttp } from '../../http/server.ts'

export type Serving = { readonly server: Server; readonly port: number }

export async function serving(t: Test, routes: Routes, more: Partial<Listener> = {}): Promise<Serving> {
  const server = await serveHttp({ address: '127.0.0.1', port: 0, routes, report: unheard, ...more })
  t.teardown(() => closeHttp(server))
  return { server, port: (server.address() as AddressInfo).port }
}

/** A path for a Unix socket: the kernel takes 107 bytes of one, and a test's own folder may have a longer name. */
export async function socketPath(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orama-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'socket')
}

/** A request of nobody, for what is called without a server. */
export function headOf(url: URL, more: Partial<Head> = {}): Head {
  const request = new IncomingMessage(new Socket())
  const visit = { request, response: new ServerResponse(request) }
  return { url, headers: {}, params: {}, from: '', signal: new AbortController().signal, visit, ...more }
}

/** For servers whose faults nobody asks for. */
export const unheard = () => undefined

export type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }

export async function ask(
  port: number,
  [method, path]: readonly [string, string],
  body: string | Buffer = '',
): Promise<Answer> {
  const request = httpRequest({ port, host: '127.0.0.1', method, path, agent: false })
  const answered = once(request, 'response')
  request.end(body)
  const [response] = (await answered) as [IncomingMessage]
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

/** Sends bytes as they are and returns all that came back until the server closed. */
export async function raw(port: number, bytes: string): Promise<string> {
  const socket = await dial(port)
  socket.write(bytes, 'latin1')
  return received(socket)
}

export async function dial(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

export async function received(socket: Socket): Promise<string> {
  let all = ''
  socket.on('data', data => (all += data.toString('latin1')))
  await new Promise(resolve => socket.once('close', resolve))
  return all
}

export const bodyBytesMax = 1000
export const routes: Routes = {
  'GET /': { handle: () => ({ body: 'hello' }) },
  'GET /json': { handle: ({ url }) => ({ body: { asked: url.search } }) },
  'POST /echo': { bodyBytesMax, handle: ({ body }) => ({ body: body.toString() }) },
  'GET /refused': {
    handle: () => {
      throw new HttpError(418, 'no', 'tea only')
    },
  },
  'GET /broken': { handle: () => Promise.reject(new Error('a path: /secret')) },
  'GET /stream': {
    handle: () => ({ body: 'not streamed' }),
    stream: async (_, response) => {
      response.writeHead(200).end('streamed')
      return Promise.resolve(true)
    },
  },
  'GET /torn': {
    handle: () => ({ body: '' }),
    stream: async (_, response) => {
      response.writeHead(200, { 'content-length': 10 })
      response.write('half')
      return Promise.reject(new Error('torn'))
    },
  },
}
