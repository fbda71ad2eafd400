import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import { enrollCallSchema, calledAnswerSchema } from '../../../protocol/enroll-call.ts'
import { deriveCertificate } from '../../../services/gateway/certificate.ts'
import { cluster } from './samples.ts'

const certificate = await deriveCertificate(Buffer.alloc(32, 9), {
  cluster,
  from: '2026-11-21T08:00:00Z',
  names: ['gateway.test'],
  addresses: [],
})

/** One call, as a gateway sees it. */
export type TakenCall = {
  readonly socket: WebSocket
  /** What its handshake asked for. */
  readonly path: string
  readonly extensions: string | undefined
  /** The next text frame, however early it came. */
  readonly next: () => Promise<unknown>
  /** The code of the close frame that came, or that there was none. */
  readonly closed: Promise<number>
}

/** A gateway, on loopback unless told otherwise, that only takes calls: `call` is the next one, however early it came. */
export async function gatewayAt(t: Pick<Test, 'teardown'>, options: ServerOptions = {}, host = '127.0.0.1') {
  const { key, certificate: cert } = certificate
  const https = createServer({ key, cert, minVersion: 'TLSv1.3' })
  const server = new WebSocketServer({ server: https, perMessageDeflate: true, ...options })
  const calls = queue<TakenCall>()
  server.on('connection', (socket, request) => {
    const frames = queue<unknown>()
    socket.on('message', data => {
      frames.put(JSON.parse((data as Buffer).toString()))
    })
    socket.on('error', () => undefined)
    const closed = new Promise<number>(resolve => socket.once('close', resolve))
    const extensions = request.headers['sec-websocket-extensions']
    calls.put({ socket, path: request.url ?? '', extensions, next: frames.take, closed })
  })
  https.listen(0, host)
  await once(https, 'listening')
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    https.closeAllConnections()
    https.close()
  })
  const { port } = https.address() as AddressInfo
  return { url: `https://${host}:${port}/ignored?x=1`, call: calls.take }
}

export const helloIn = (frame: unknown) => enrollCallSchema.parse(frame).hello
export const answerIn = (frame: unknown) => calledAnswerSchema.parse(frame)

function queue<T>() {
  const items: T[] = []
  const events = new EventEmitter()
  return {
    put: (item: T) => {
      items.push(item)
      events.emit('put')
    },
    take: async (): Promise<T> => {
      while (items.length === 0) await once(events, 'put')
      return items.shift() as T
    },
  }
}
