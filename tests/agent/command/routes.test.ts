import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { bearerGuard, commandRoutes, type NodeView } from '../../../agent/command/routes.ts'
import { HttpError } from '../../../http/error.ts'
import { closeHttp, serveHttp } from '../../../http/server.ts'
import { nodeStates, statusSchema } from '../../../protocol/status.ts'
import { sampleStatus } from './sample-status.ts'

const token = 'ab'.repeat(32)
const bearer = `Bearer ${token}`

const fake: NodeView = {
  token,
  status: () => Promise.resolve(sampleStatus),
  unlock: () => undefined,
  acknowledge: () => ({ box: 'AAAA' }),
  news: news => Promise.resolve(news),
  command: command => Promise.resolve({ did: command }),
  logs: (service, lines) => Promise.resolve(`${service} ${lines}\n`),
  followLogs: async function* (service, lines) {
    yield await Promise.resolve(`${service} ${lines}`)
    yield 'one'
  },
  logNames: () => ['agent', 'rqlite'],
}

type Ask = { readonly authorization?: string | undefined; readonly body?: string }

async function nodeAt(t: Test, changes: Partial<NodeView> = {}, refused: string[] = []) {
  const routes = commandRoutes({ ...fake, ...changes })
  const server = await serveHttp({
    address: '127.0.0.1',
    port: 0,
    routes,
    guard: bearerGuard(token),
    refused: ({ route, what }, { status }) => void refused.push(`${route} ${what ?? ''}: ${status}`),
    report: () => undefined,
  })
  t.teardown(() => closeHttp(server))
  const { port } = server.address() as AddressInfo
  return async (method: string, path: string, how: Ask = {}) => {
    const { authorization = bearer, body = '' } = how
    const headers = authorization === '' ? {} : { authorization }
    const request = httpRequest({ port, host: '127.0.0.1', agent: false, method, path, headers })
    const answered = once(request, 'response')
    request.end(body)
    const [response] = (await answered) as [IncomingMessage]
    return { status: response.statusCode, response, text: () => text(response) }
  }
}

const strangers = [
  ['nothing', ''],
  ['another token', `Bearer ${'cd'.repeat(32)}`],
  ['the token alone', token],
  ['another scheme', `Basic ${token}`],
  ['a beginning of the token', bearer.slice(0, -1)],
  ['more than the token', `${bearer}0`],
  ['the token twice', `${bearer}, ${bearer}`],
  ['the token in upper case', `Bearer ${token.toUpperCase()}`],
] as const
const guarded = [
  ['GET', '/v1/agent/status'],
  ['GET', '/v1/agent/health'],
  ['GET', '/v1/agent/metrics'],
  ['GET', '/v1/agent/logs'],
  ['GET', '/v1/agent/logs?follow=1'],
  ['HEAD', '/v1/agent/status'],
  ['POST', '/v1/agent/command'],
  ['GET', '/v1/agent/unlock/'],
  ['GET', '/v1/agent/unlock/../status'],
  ['GET', '//v1/agent/unlock'],
  ['GET', '/v1/agent/unlock%2f..%2fstatus'],
  ['GET', '/nothing'],
] as const

for (const [why, authorization] of strangers)
  t.test(`who brings ${why} is refused with 401 at every guarded route`, async t => {
    const ask = await nodeAt(t)
    for (const [method, path] of guarded)
      t.equal((await ask(method, path, { authorization })).status, 401, `${method} ${path}`)
  })

t.test('what wants an order asks for no token', async t => {
  const ask = await nodeAt(t)
  t.equal((await ask('GET', '/v1/agent/unlock', { authorization: '' })).status, 409)
  t.equal((await ask('POST', '/v1/agent/unlock', { authorization: '', body: '{}' })).status, 409)
  t.equal((await ask('POST', '/v1/agent/acknowledgement', { authorization: '', body: '{}' })).status, 400)
  t.equal((await ask('POST', '/v1/agent/status', { authorization: '' })).status, 401)
})

t.test('who refuses hears which command it was, and news come with who told them', async t => {
  const [refused, told]: [string[], string[]] = [[], []]
  const changes: Partial<NodeView> = {
    command: () => Promise.reject(new HttpError(403, 'no', 'sign it')),
    news: (news, from) => {
      told.push(from)
      return Promise.resolve(news)
    },
  }
  const ask = await nodeAt(t, changes, refused)
  await ask('POST', '/v1/agent/command', { body: '{"action":"leave"}' })
  await ask('POST', '/v1/agent/command', { body: '{"action":"shell"}' })
  await ask('POST', '/v1/agent/command', { authorization: '', body: '{"action":"leave"}' })
  t.same(refused, ['POST /v1/agent/command leave: 403', 'POST /v1/agent/command : 400', 'undefined : 401'])
  const body = JSON.stringify({ membership: { members: [], departures: [] }, endpoints: [] })
  t.equal((await ask('POST', '/v1/agent/news', { body })).status, 200)
  t.same(told, ['127.0.0.1'])
})

t.test('status is what the node says', async t => {
  const ask = await nodeAt(t)
  const answer = await ask('GET', '/v1/agent/status')
  t.equal(answer.status, 200)
  t.same(statusSchema.parse(JSON.parse(await answer.text())), sampleStatus)
})

for (const state of nodeStates)
  t.test(`health of a node that is ${state} is ${state === 'ready' ? 200 : 503}`, async t => {
    const ask = await nodeAt(t, { status: () => Promise.resolve({ ...sampleStatus, state }) })
    const answer = await ask('GET', '/v1/agent/health')
    t.equal(answer.status, state === 'ready' ? 200 : 503)
    const services = { rqlite: true, other: false }
    t.same(JSON.parse(await answer.text()), { healthy: state === 'ready', state, services })
  })

const logs = [
  ['', 200, 'agent 100\n'],
  ['?service=rqlite', 200, 'rqlite 100\n'],
  ['?lines=1', 200, 'agent 1\n'],
  ['?lines=1000&service=rqlite', 200, 'rqlite 1000\n'],
  ['?follow=0', 200, 'agent 100\n'],
  ['?lines=0', 400, /bad number of lines/],
  ['?lines=1001', 400, /bad number of lines/],
  ['?lines=-1', 400, /bad number of lines/],
  ['?lines=', 400, /bad number of lines/],
  ['?lines=1e2', 400, /bad number of lines/],
  ['?lines=0x10', 400, /bad number of lines/],
  ['?lines=1.5', 400, /bad number of lines/],
  ['?lines=NaN', 400, /bad number of lines/],
  ['?follow=1&lines=0', 400, /bad number of lines/],
  ['?service=nobody', 404, /no such log/],
  ['?service=', 404, /no such log/],
  ['?service=__proto__', 404, /no such log/],
  ['?service=..%2f..%2fetc%2fpasswd', 404, /no such log/],
  ['?service=nobody&follow=1', 404, /no such log/],
] as const

for (const [query, code, body] of logs)
  t.test(`logs${query} is answered with ${code}`, async t => {
    const ask = await nodeAt(t)
    const answer = await ask('GET', `/v1/agent/logs${query}`)
    t.equal(answer.status, code)
    t.match(await answer.text(), body)
  })

t.test('follow gives the newest lines, then new ones, and ends with the log', async t => {
  const ask = await nodeAt(t)
  const answer = await ask('GET', '/v1/agent/logs?follow=1&lines=3')
  t.equal(await answer.text(), 'agent 3\none\n')
})

t.test('follow answers before there is a line', async t => {
  const ask = await nodeAt(t, {
    followLogs: async function* (_, _lines, signal) {
      await once(signal, 'abort')
      yield* []
    },
  })
  const answer = await ask('GET', '/v1/agent/logs?follow=1')
  t.equal(answer.status, 200)
  answer.response.destroy()
})

t.test('follow stops when the client goes', async t => {
  const stopped = Promise.withResolvers<string>()
  const ask = await nodeAt(t, {
    followLogs: async function* (_, _lines, signal) {
      try {
        yield 'first'
        await once(signal, 'abort')
      } finally {
        stopped.resolve('stopped')
      }
    },
  })
  const { response } = await ask('GET', '/v1/agent/logs?follow=true')
  await once(response, 'data')
  response.destroy()
  t.equal(await stopped.promise, 'stopped')
})

t.test('follow stops when the client goes before the first line', async t => {
  const reading = Promise.withResolvers<string>()
  const stopped = Promise.withResolvers<boolean>()
  const ask = await nodeAt(t, {
    followLogs: async function* (_, _lines, signal) {
      yield await reading.promise
      stopped.resolve(signal.aborted || (await once(signal, 'abort').then(() => true)))
      yield* []
    },
  })
  const { response } = await ask('GET', '/v1/agent/logs?follow=true')
  const closed = new Promise(resolve => response.once('close', resolve))
  response.on('error', () => undefined).destroy()
  await closed
  reading.resolve('too late\n')
  t.ok(await stopped.promise)
})

t.test('follow stops when the client goes and had not read', async t => {
  const stopped = Promise.withResolvers<string>()
  const full = Promise.withResolvers<undefined>()
  const ask = await nodeAt(t, {
    followLogs: async function* (_, _lines, signal) {
      let lines = 0
      try {
        while (!signal.aborted) {
          yield 'x'.repeat(1_000_000)
          if (++lines === 1) full.resolve(undefined)
        }
      } finally {
        stopped.resolve('stopped')
      }
      await Promise.resolve()
    },
  })
  const { response } = await ask('GET', '/v1/agent/logs?follow=true')
  response.resume()
  await full.promise
  response.pause()
  response.destroy()
  t.equal(await stopped.promise, 'stopped')
})

t.test('follow that fails is cut, and the next is served', async t => {
  const ask = await nodeAt(t, {
    logs: () => Promise.reject(new Error('disk away')),
    followLogs: async function* () {
      yield await Promise.reject<string>(new Error('disk away'))
    },
  })
  const answer = await ask('GET', '/v1/agent/logs?follow=1')
  await t.rejects(answer.text())
  t.equal((await ask('GET', '/v1/agent/logs')).status, 500)
  t.equal((await ask('GET', '/v1/agent/status')).status, 200)
})

t.test('a command is handed over as it was sent', async t => {
  const ask = await nodeAt(t)
  const body = JSON.stringify({ action: 'restart', service: 'rqlite' })
  const answer = await ask('POST', '/v1/agent/command', { body })
  t.same(JSON.parse(await answer.text()), { did: { action: 'restart', service: 'rqlite' } })
})

const commands = [
  ['nothing', '', 400],
  ['no action', '{}', 400],
  ['an unknown action', '{"action":"format"}', 400],
  ['a name of every object as action', '{"action":"constructor"}', 400],
  ['a service that is a path', '{"action":"stop","service":"../x"}', 400],
  ['an unknown field', '{"action":"stop","service":"a","force":true}', 400],
  ['a body too large', JSON.stringify({ action: 'x'.repeat(40_000) }), 413],
] as const

for (const [why, body, code] of commands)
  t.test(`a command is refused with ${code}: ${why}`, async t => {
    const ask = await nodeAt(t, { command: () => Promise.reject(new Error('carried out')) })
    t.equal((await ask('POST', '/v1/agent/command', { body })).status, code)
  })

t.test('what the node refuses is told as it says', async t => {
  const ask = await nodeAt(t, {
    command: () => Promise.reject(new HttpError(409, 'no services run yet', 'wait')),
  })
  const answer = await ask('POST', '/v1/agent/command', { body: '{"action":"status"}' })
  t.equal(answer.status, 409)
  t.same(JSON.parse(await answer.text()), { error: 'no services run yet', hint: 'wait' })
})
