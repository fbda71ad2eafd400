import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { hearCall } from '../../../../services/gateway/enroll/call.ts'
import { callDesk, callPath } from '../../../../services/gateway/enroll/call-desk.ts'
import { answerAs, asked, called, helloOf } from './calling.ts'
import { inMinutes, newWaiting, requestFor } from './played-waiting.ts'
import { running, storedInvite } from './running.ts'

const session = await newWaiting()
const never = 600_000
/** Port 1: only the call leads to the node. */
const changes = { deliver: { port: 1 }, calls: { closeMs: never } }

/** Says the node's hello; the gateway has heard it when this returns. */
async function greet(socket: WebSocket): Promise<void> {
  socket.send(helloOf(session))
  socket.ping()
  await once(socket, 'pong')
}

/** A node that has called twice; the first call reads nothing any more, so that it never answers its end. */
async function calledTwice(t: Test) {
  const gateway = await running(t, { changes })
  const old = await called(t, gateway)
  await greet(old.socket)
  await asked(gateway, session.code)
  old.socket.pause()
  const next = await called(t, gateway)
  await greet(next.socket)
  return { gateway, old, next }
}

type Twice = Awaited<ReturnType<typeof calledTwice>>
const afterwards: readonly (readonly [string, (t: Test, of: Twice) => unknown])[] = [
  ['is silent', () => undefined],
  [
    'says another hello, and then good-bye',
    async (t, { old }) => {
      old.socket.send(helloOf({ hello: { ...session.hello, expires: inMinutes(5) } }))
      old.socket.resume()
      t.equal(await old.ended, 1000)
    },
  ],
]
for (const [what, act] of afterwards)
  t.test(`a node that has called again joins over its new call, while the old one ${what}`, async t => {
    const twice = await calledTwice(t)
    await act(t, twice)
    const { gateway, next } = twice
    answerAs(next, session).catch((cause: unknown) => t.fail(String(cause)))
    const request = requestFor(session, await storedInvite(gateway.registry))
    const { status, body } = await gateway.ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })
    t.equal(status, 200, body)
  })

/** A connection of which a call can be played. */
function silentSocket() {
  const events = new EventEmitter()
  const said: number[] = []
  const socket = Object.assign(events, {
    close: (code: number) => said.push(code),
    terminate: () => events.emit('close'),
  })
  return { socket: socket as unknown as WebSocket, said }
}

const ends: readonly (readonly [string, number, (socket: WebSocket) => unknown])[] = [
  ['what is no hello', 1008, socket => socket.emit('message', Buffer.from('rubbish'), false)],
  ['bytes', 1003, socket => socket.emit('message', Buffer.from('rubbish'), true)],
  ['a frame that ws refuses', 1003, socket => socket.emit('error', new RangeError('too long'))],
]
for (const [what, code, act] of ends)
  t.test(`a call that ends for ${what} is over at once, and cut where nobody says good-bye`, async t => {
    const { socket, said } = silentSocket()
    let ended = 0
    const limits = { silenceMs: never, helloMs: never, closeMs: 1 }
    hearCall(socket, { ...limits, onHello: () => t.fail('a hello'), onEnd: () => (ended += 1) })
    const cut = new Promise(resolve => socket.once('close', resolve))
    act(socket)
    act(socket)
    t.same([said, ended], [[code], 1])
    await cut
  })

t.test('a desk that closes cuts also the calls that were replaced', async t => {
  const desk = callDesk({ now: () => new Date(), limits: { closeMs: never } })
  const connections: Duplex[] = []
  const server = createServer()
    .on('upgrade', (request, socket: Duplex, head) => {
      connections.push(socket)
      desk.upgrade(request, socket, head)
    })
    .listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const call = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}${callPath}`)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    await greet(socket)
    return socket
  }
  ;(await call()).pause()
  await call()
  const destroyed = () => connections.map(one => one.destroyed)
  t.same(destroyed(), [false, false])
  desk.close()
  t.same(destroyed(), [true, true])
})
