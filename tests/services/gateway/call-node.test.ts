import type { RequestListener, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import t from 'tap'
import { fullPort } from '../../http/full-port.ts'
import { type Asked, before, echo, gatewayAt, here, listening, off } from './played-node.ts'

const id = here.nodeId
const status = `/v1/node/status?node_id=${id}`

t.test('a node that is switched off is 502, with a hint', async t => {
  const { ask, bearer } = await before(t, echo)
  const answer = await ask('GET', `/v1/node/status?node_id=${off.nodeId}`, { headers: bearer })
  t.equal(answer.status, 502)
  t.match(JSON.parse(answer.body), { error: /cannot be reached/, hint: /switched off/ })
})

t.test('one that takes no connection is 502 long before its answer would be late', async t => {
  const { ask, bearer } = await gatewayAt(t, await fullPort(t, here.address), { connectMs: 300 })
  const answer = await ask('GET', status, { headers: bearer })
  t.equal(answer.status, 502)
  t.match(JSON.parse(answer.body), { error: /cannot be reached/, hint: /switched off/ })
})

const nonsense = [
  ['no HTTP', 'SSH-2.0-x\r\n'],
  ['nothing', ''],
  ['a status that there is not', 'HTTP/1.1 999 x\r\ncontent-length: 0\r\n\r\n'],
  ['another protocol', 'HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
  ['huge headers', `HTTP/1.1 200 x\r\nx: ${'x'.repeat(9000)}\r\n\r\n`],
  ['a body cut short', 'HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nhalf'],
  ['two lengths', 'HTTP/1.1 200 x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
] as const
for (const [why, bytes] of nonsense)
  t.test(`a node that answers ${why} is 502`, async t => {
    const server = createTcpServer(socket => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(bytes))
    })
    const { ask, bearer } = await gatewayAt(t, await listening(t, server))
    t.equal((await ask('GET', status, { headers: bearer })).status, 502)
    t.equal((await ask('GET', '/health')).status, 200)
  })

t.test('an answer that is too long is 502', async t => {
  const { ask, bearer } = await before(t, (_, response) => {
    response.on('error', () => undefined).end(Buffer.alloc(8 * 1024 * 1024 + 1))
  })
  const answer = await ask('GET', status, { headers: bearer })
  t.equal(answer.status, 502)
  t.match(answer.body, 'too long')
})

t.test('a node without a token here is 503, and one whose token cannot be read 500', async t => {
  const none = await before(t, () => t.fail('called'), { tokenOf: () => Promise.resolve(undefined) })
  t.equal((await none.ask('GET', status, { headers: none.bearer })).status, 503)
  const torn = await before(t, () => t.fail('called'), { tokenOf: () => Promise.reject(new Error('disk')) })
  t.equal((await torn.ask('GET', status, { headers: torn.bearer })).status, 500)
})

t.test('the token is wiped once it is sent', async t => {
  const token = Buffer.alloc(32, 1)
  const { ask, bearer } = await before(t, echo, { tokenOf: () => Promise.resolve(token) })
  const answer = await ask('GET', status, { headers: bearer })
  t.equal((JSON.parse(answer.body) as Asked).headers.authorization, `Bearer ${'01'.repeat(32)}`)
  t.ok(token.equals(Buffer.alloc(32)))
})

const slow: readonly (readonly [string, RequestListener])[] = [
  ['that says nothing', () => undefined],
  ['that begins and does not end', (_, response) => void response.writeHead(200).write('half')],
]
for (const [why, answer] of slow)
  t.test(`a node ${why} is 504, and its connection ends`, async t => {
    const ended = Promise.withResolvers<unknown>()
    const { ask, bearer } = await before(
      t,
      (request, response) => {
        response.once('close', () => {
          ended.resolve(undefined)
        })
        answer(request, response)
      },
      { answerMs: 100 },
    )
    t.equal((await ask('GET', status, { headers: bearer })).status, 504)
    await t.resolves(ended.promise)
  })

t.test('an operator has sixteen calls at once, and a place is free again when one ends', async t => {
  const waiting: ServerResponse[] = []
  const all = Promise.withResolvers<undefined>()
  const { ask, bearer } = await before(t, (_, response) => {
    waiting.push(response)
    if (waiting.length === 16) all.resolve(undefined)
    if (waiting.length > 16) response.end('one more')
  })
  const asked = Array.from({ length: 16 }, () => ask('GET', status, { headers: bearer }))
  await all.promise
  t.equal((await ask('GET', status, { headers: bearer })).status, 429)
  for (const response of waiting) response.end('done')
  t.same(new Set((await Promise.all(asked)).map(answer => answer.body)), new Set(['done']))
  t.equal((await ask('GET', status, { headers: bearer })).body, 'one more')
})
