import { once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import { turnsOf } from '../../http/turns.ts'

const limits = { requestsPerConnection: 3, keptMs: 1, headersMs: 1 }
function responseOf(socket: Socket): ServerResponse {
  const response = new ServerResponse(new IncomingMessage(socket))
  response.shouldKeepAlive = true
  return response
}

/** A connection whose first request has been answered. */
function answered(turns: ReturnType<typeof turnsOf>): Socket {
  const socket = new Socket()
  const response = responseOf(socket)
  turns.take(socket, response)
  response.emit('close')
  return socket
}

t.test('requests are counted for each connection, and one at a time is taken', async t => {
  const turns = turnsOf({ ...limits, keptMs: 60_000 })
  const [socket, other] = [new Socket(), new Socket()]
  const [first, second] = [responseOf(socket), responseOf(socket)]
  t.equal(turns.take(socket, first), 'one of more')
  t.equal(turns.take(socket, second), 'too early')
  t.equal(turns.take(other, responseOf(other)), 'one of more')
  first.emit('close')
  t.equal(turns.take(socket, second), 'one of more')
  second.emit('close')
  t.equal(turns.take(socket, responseOf(socket)), 'last')
  for (const one of [socket, other]) one.destroy()
})

t.test('what waits too long is cut; what does not wait any more is not', async t => {
  // Its timers keep no process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => {
    clearInterval(alive)
  })
  const turns = turnsOf(limits)
  const [upgraded, asking, waiting] = [answered(turns), answered(turns), answered(turns)]
  turns.end(upgraded)
  turns.take(asking, responseOf(asking))
  // The others would have been before it.
  await once(waiting, 'close')
  t.notOk(upgraded.destroyed)
  t.notOk(asking.destroyed)
  for (const one of [upgraded, asking]) one.destroy()
})
