import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { Proxy } from '../../../services/gateway/proxy.ts'
import { before, echo, here } from './played-node.ts'
import { operator } from './samples.ts'

const id = here.nodeId
const status = `/v1/node/status?node_id=${id}`

t.test('a stream may take longer than an answer, but has to begin in time', async t => {
  const asked = Promise.withResolvers<ServerResponse>()
  const { open, ask, bearer } = await before(
    t,
    (request, response) => {
      if (request.url?.includes('rqlite') === true) return
      response.writeHead(200, { 'content-type': 'text/plain' }).write('one\n')
      asked.resolve(response)
    },
    { answerMs: 300 },
  )
  const logs = `/v1/node/logs?node_id=${id}&follow=1`
  const request = open('GET', logs, { headers: bearer })
  const answered = once(request, 'response')
  request.end()
  const [response] = (await answered) as [IncomingMessage]
  t.equal(
    (await ask('GET', `${logs}&service=rqlite`, { headers: bearer })).status,
    504,
    'which takes the time',
  )
  const node = await asked.promise
  node.end('two\n')
  t.equal(await text(response), 'one\ntwo\n')
})

async function followed(t: Test, changes: Partial<Proxy> = {}) {
  const asked = Promise.withResolvers<ServerResponse>()
  const gateway = await before(
    t,
    (_, response) => {
      response
        .writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'set-cookie': 'a=b' })
        .write('one\n')
      asked.resolve(response)
    },
    changes,
  )
  const request = gateway.open('GET', `/v1/node/logs?node_id=${id}&follow=1`, { headers: gateway.bearer })
  request.on('error', () => undefined)
  const answered = once(request, 'response')
  request.end()
  const [response] = (await answered) as [IncomingMessage]
  response.on('error', () => undefined)
  return { ...gateway, request, response, node: await asked.promise }
}

t.test('lines of a stream pass when they come', async t => {
  const { response, node } = await followed(t)
  t.match(response.headers, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  t.notOk('set-cookie' in response.headers)
  const lines = response[Symbol.asyncIterator]()
  t.same(await lines.next(), { value: Buffer.from('one\n'), done: false })
  node.write('two\n')
  t.same(await lines.next(), { value: Buffer.from('two\n'), done: false })
  node.end()
  t.same(await lines.next(), { value: undefined, done: true })
})

t.test('a client that goes ends the stream at the node', async t => {
  const { request, node, logged } = await followed(t)
  const closed = once(node, 'close')
  request.destroy()
  await closed
  t.match(await logged(1), [
    { route: 'GET /v1/node/logs', status: 200, cut: true, operator: operator.address },
  ])
})

t.test('a client that goes before the node answers ends the request there', async t => {
  const asked = Promise.withResolvers<ServerResponse>()
  const { open, bearer } = await before(t, (_, response) => {
    asked.resolve(response)
  })
  const request = open('GET', status, { headers: bearer }).on('error', () => undefined)
  request.end()
  const node = await asked.promise
  const closed = once(node, 'close')
  request.destroy()
  await t.resolves(closed)
})

t.test('a stream that breaks off at the node is cut, not ended as if it were whole', async t => {
  const { response, node, logged } = await followed(t)
  const all = text(response)
  node.destroy()
  await t.rejects(all, { code: 'ECONNRESET' })
  t.match(await logged(1), [{ status: 200, cut: true }])
})

t.test('a stream on which nothing comes is cut on both sides', async t => {
  const { response, node } = await followed(t, { streamIdleMs: 100 })
  const closed = once(node, 'close')
  await t.rejects(text(response), { code: 'ECONNRESET' })
  await closed
})

t.test('HEAD of a stream has an end', async t => {
  const { ask, bearer } = await before(t, echo)
  t.equal((await ask('HEAD', `/v1/node/logs?node_id=${id}&follow=1`, { headers: bearer })).status, 200)
})
