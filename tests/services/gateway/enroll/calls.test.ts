import { once } from 'node:events'
import t from 'tap'
import type { WebSocket } from 'ws'
import { waitingHelloSchema } from '../../../../protocol/cluster/joining.ts'
import { answerAs, asked, called, helloOf } from './calling.ts'
import { newWaiting, requestFor } from './played-waiting.ts'
import { running, storedInvite } from './running.ts'

const session = await newWaiting()
const unreached = { port: 1 }

t.test('a node that has called is found by its code, and joins over its call', async t => {
  const gateway = await running(t, { changes: { deliver: unreached } })
  const call = await called(t, gateway)
  call.socket.send(helloOf(session))
  const { hello } = waitingHelloSchema.parse(JSON.parse((await asked(gateway, session.code)).body))
  t.same(hello, session.hello)
  const answering = answerAs(call, session)
  const request = requestFor(session, await storedInvite(gateway.registry))
  const { status, body } = await gateway.ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })
  await answering
  t.equal(status, 200, body)
})

t.test('a node whose keys have changed is found by the new code alone', async t => {
  const gateway = await running(t)
  const { socket } = await called(t, gateway)
  const next = await newWaiting()
  socket.send(helloOf(session))
  await asked(gateway, session.code)
  socket.send(helloOf(next))
  await asked(gateway, next.code)
  t.equal((await gateway.ask('GET', `/v1/node/hello?code=${session.code}`)).status, 404)
  socket.close()
  await once(socket, 'close')
  while ((await gateway.ask('GET', `/v1/node/hello?code=${next.code}`)).status !== 404) continue
})

const answers = [
  ['refuses', { status: 403, body: { error: 'the claim word is wrong' } }, 422, 'open'],
  ['is busy', { status: 409, body: { error: 'wait' } }, 422, 'reserved'],
  ['answers nonsense', { status: 200, body: 'rubbish' }, 502, 'reserved'],
] as const
for (const [what, answer, status, state] of answers)
  t.test(`a node that ${what} over its call is ${status}, and its invite is ${state}`, async t => {
    const gateway = await running(t, { changes: { deliver: unreached } })
    const { socket } = await called(t, gateway)
    socket.send(helloOf(session))
    await asked(gateway, session.code)
    socket.once('message', () => socket.send(JSON.stringify(answer)))
    const invite = await storedInvite(gateway.registry)
    const body = JSON.stringify(requestFor(session, invite))
    t.equal((await gateway.ask('POST', '/v1/node/enroll', { body })).status, status)
    t.equal((await gateway.registry.invites.entry(invite.tokenHash, new Date()))?.state, state)
  })

const broken = [
  ['hangs up', (socket: WebSocket) => socket.terminate(), 30_000, 502],
  ['is silent', () => undefined, 300, 504],
] as const
for (const [what, act, answerMs, status] of broken)
  t.test(`a node that ${what} instead of an answer is ${status}, and its invite is kept`, async t => {
    const gateway = await running(t, { changes: { deliver: { ...unreached, answerMs } } })
    const { socket } = await called(t, gateway)
    socket.send(helloOf(session))
    await asked(gateway, session.code)
    socket.once('message', () => act(socket))
    const invite = await storedInvite(gateway.registry)
    const body = JSON.stringify(requestFor(session, invite))
    t.equal((await gateway.ask('POST', '/v1/node/enroll', { body })).status, status)
    t.equal((await gateway.registry.invites.entry(invite.tokenHash, new Date()))?.state, 'reserved')
  })

t.test('a node that calls again is heard there, and its old call ends', async t => {
  const gateway = await running(t)
  const [old, next] = [await called(t, gateway), await called(t, gateway)]
  old.socket.send(helloOf(session))
  await asked(gateway, session.code)
  next.socket.send(helloOf(session))
  t.equal(await old.ended, 1000)
  t.equal((await asked(gateway, session.code)).status, 200)
})

t.test('nobody gets between while a node is being enrolled over its call', async t => {
  const gateway = await running(t, { changes: { deliver: unreached } })
  const call = await called(t, gateway)
  call.socket.send(helloOf(session))
  await asked(gateway, session.code)
  const got = once(call.socket, 'message') as Promise<[Buffer]>
  const request = requestFor(session, await storedInvite(gateway.registry))
  const enrolling = gateway.ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })
  const [data] = await got
  const thief = await called(t, gateway)
  thief.socket.send(helloOf(session))
  t.equal(await thief.ended, 1013)
  const answering = answerAs(call, session)
  call.socket.emit('message', data)
  await answering
  t.equal((await enrolling).status, 200)
})
