import { once } from 'node:events'
import t from 'tap'
import { HttpError } from '../../http/error.ts'
import type { Visit } from '../../http/server.ts'
import { ask, dial, raw, routes, serving } from './serving.ts'

t.test('admit() runs before the body is taken, and what it notes is seen by all after it', async t => {
  const visits: Visit[] = []
  const { port } = await serving(
    t,
    {
      'POST /open': {
        bodyBytesMax: 10,
        admit: async ({ visit }) => {
          visit.who = await Promise.resolve('somebody')
        },
        handle: ({ visit, body }) => ({ body: `${visit.who} ${body.length}` }),
      },
      'POST /closed': {
        bodyBytesMax: 10,
        admit: () => {
          throw new HttpError(401, 'unauthorized', 'bring a token')
        },
        handle: () => ({ body: 'let in' }),
      },
    },
    { watch: visit => visits.push(visit) },
  )
  t.equal((await ask(port, ['POST', '/open'], 'abc')).body, 'somebody 3')
  t.equal((await ask(port, ['POST', '/closed'], Buffer.alloc(900_000))).status, 401)
  t.same(
    visits.map(({ route, who }) => [route, who]),
    [
      ['POST /open', 'somebody'],
      ['POST /closed', undefined],
    ],
  )
})

t.test('each request is watched, also one that is refused before it has a route', async t => {
  const ended: Promise<unknown>[] = []
  const { port } = await serving(t, routes, {
    watch: visit => {
      visit.response.setHeader('x-seen', visit.request.method ?? '')
      ended.push(once(visit.response, 'close').then(() => visit.route))
    },
  })
  for (const path of ['/', '/nothing', '//'])
    t.equal((await ask(port, ['GET', path])).headers['x-seen'], 'GET')
  t.same(await Promise.all(ended), ['GET /', undefined, undefined])
})

t.test('each refusal is heard of, with what was asked for; faults and answers are not', async t => {
  const heard: unknown[] = []
  const { port } = await serving(
    t,
    {
      ...routes,
      'POST /act': {
        bodyBytesMax: 10,
        handle: ({ visit }) => {
          visit.what = 'dance'
          throw new HttpError(403, 'not here', 'elsewhere')
        },
      },
    },
    {
      refused: ({ request, route, what }, { status, message }) =>
        heard.push([request.socket.remoteAddress, route, what, status, message]),
    },
  )
  const asked = [
    ['GET', '/'],
    ['GET', '/broken'],
    ['GET', '/nothing'],
    ['POST', '/act'],
  ] as const
  for (const one of asked) await ask(port, one)
  t.same(heard, [
    ['127.0.0.1', undefined, undefined, 404, 'no such route'],
    ['127.0.0.1', 'POST /act', 'dance', 403, 'not here'],
  ])
})

t.test('bytes are answered as they are', async t => {
  const bytes = Buffer.from([0, 255, 13, 10])
  const { port } = await serving(t, { 'GET /': { handle: () => ({ body: bytes }) } })
  t.match(await raw(port, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'), /\r\n\r\n\x00\xff\r\n$/)
})

t.test('the signal of a request is aborted when its client goes', async t => {
  const begun = Promise.withResolvers<undefined>()
  const ended = Promise.withResolvers<undefined>()
  const { port } = await serving(t, {
    'GET /': {
      handle: async ({ signal }) => {
        begun.resolve(undefined)
        await once(signal, 'abort')
        ended.resolve(undefined)
        return { body: '' }
      },
    },
  })
  const socket = await dial(port)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await begun.promise
  socket.destroy()
  await t.resolves(ended.promise)
  t.equal((await ask(port, ['GET', '/nothing'])).status, 404, 'and the server goes on')
})

t.test('limits can be others, and who is over them is counted', async t => {
  const dropped: string[] = []
  const { server, port } = await serving(t, routes, {
    limits: {
      connectionsMax: 3,
      connectionsPerAddressMax: 2,
      idleMs: 7000,
      headersMs: 6000,
      requestMs: 9000,
    },
    dropped: why => dropped.push(why),
  })
  t.equal(server.headersTimeout, 6000)
  t.equal(server.requestTimeout, 9000)
  t.equal(server.timeout, 7000)
  const held = [await dial(port), await dial(port)]
  const over = await dial(port)
  await once(over, 'close')
  const other = await dial(port, '127.0.0.2')
  const drop = once(server, 'drop')
  await Promise.all([drop, dial(port, '127.0.0.3')])
  t.same(dropped, ['address', 'connections'])
  for (const socket of [...held, other]) socket.destroy()
})

t.test('a connection on which nothing moves is cut, also while an answer is under way', async t => {
  const { port } = await serving(
    t,
    {
      'GET /': {
        handle: () => ({ body: '' }),
        stream: (_, response) => {
          response.writeHead(200).write('then nothing')
          return new Promise(() => undefined)
        },
      },
    },
    { limits: { idleMs: 100 } },
  )
  t.match(await raw(port, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'), 'then nothing')
})
