import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { closeHttp, type Reply, serveHttp } from '../../../http/server.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import { type Store, storeClient } from '../../../services/guardian/store-client.ts'
import { socketPath, unheard } from '../../http/serving.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'

const [node, epoch] = [someNodeId(1), newEpochId(1)]

/** A client of a socket that answers everything so. */
async function client(t: Test, answer: () => Promise<Reply> | Reply, deadlineMs?: number) {
  const path = await socketPath(t)
  const route = { bodyBytesMax: 97, handle: answer }
  const targets = ['GET /members', 'GET /holdings', 'GET /share', 'PUT /share', 'PUT /keep', 'PUT /release']
  const routes = Object.fromEntries(targets.map(target => [target, route]))
  const server = await serveHttp({ path, routes, report: unheard })
  t.teardown(() => closeHttp(server))
  const lines: string[] = []
  const log = (line: string) => void lines.push(line)
  const more = deadlineMs === undefined ? {} : { deadlineMs }
  return { store: storeClient({ socketPath: path, log, ...more }), lines }
}

const questions: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  members: store => store.members(),
  holding: store => store.holding(node),
  share: store => store.share(node, epoch),
  put: store => store.put(node, { epoch, share: Buffer.alloc(97, 1), keep: [epoch] }),
  keep: store => store.keep(node, []),
  raise: store => store.raise(node, 1),
}

const unanswered = { status: 503, message: 'the store of this guardian does not answer' }

const faults: readonly (readonly [string, () => Promise<Reply> | Reply, RegExp])[] = [
  ['an internal error', () => Promise.reject(new Error('secret')), /^store: status 500/],
  ['unreadable shares', () => ({ status: 503, body: {} }), /^store: status 503/],
  [
    'what is no JSON',
    () => ({ body: 'SECRET' }),
    /^store: (an answer that does not fit|status 200, 6 bytes)$/,
  ],
  ['another form', () => ({ body: { SECRET: 1 } }), /^store: (an answer that does not fit|status 200)/],
  ['more than 4 MiB', () => ({ body: Buffer.alloc(4 * 1024 * 1024 + 1) }), /too long/],
]

for (const [what, answer, line] of faults)
  for (const [name, ask] of Object.entries(questions))
    t.test(`${name} is 503 where the store answers with ${what}, and the log says so`, async t => {
      const { store, lines } = await client(t, answer)
      await t.rejects(ask(store), unanswered)
      t.match(lines, [line])
      t.notMatch(lines.join(), 'SECRET')
    })

for (const [name, ask] of Object.entries(questions))
  t.test(`${name} is 503 where nobody listens`, async t => {
    const lines: string[] = []
    const store = storeClient({
      socketPath: `${await socketPath(t)}-none`,
      log: line => void lines.push(line),
    })
    await t.rejects(ask(store), unanswered)
    t.match(lines, [/^store: .*ENOENT/])
  })

t.test('an answer that does not come in time is none', async t => {
  const { store, lines } = await client(t, () => new Promise(() => undefined), 1)
  await t.rejects(store.members(), unanswered)
  t.match(lines, [/Timeout|Abort/i])
})

t.test('a limit of the store is told to who stated', async t => {
  const { store, lines } = await client(t, () => ({ status: 507, body: {} }))
  await t.rejects(questions['put']?.(store) ?? Promise.resolve(), { status: 507, message: /limit/ })
  t.same(lines, [])
})

t.test('a share is bytes outside the heap of V8; one that is not there is undefined', async t => {
  const share = randomBytes(97)
  const { store } = await client(t, () => ({ body: share }))
  const found = await store.share(node, epoch)
  t.same(found, share)
  t.ok((found?.buffer.byteLength ?? 0) >= 4096)
  const { store: empty, lines } = await client(t, () => ({ status: 404, body: {} }))
  t.equal(await empty.share(node, epoch), undefined)
  t.same(lines, [])
})

t.test('a share that is cut short is passed on by test images alone', async t => {
  const image = globalThis as { ORAMA_TEST_BUILD?: boolean }
  t.teardown(() => delete image.ORAMA_TEST_BUILD)
  const { store } = await client(t, () => ({ body: Buffer.alloc(48, 1) }))
  await t.rejects(store.share(node, epoch), unanswered)
  image.ORAMA_TEST_BUILD = true
  t.same(await store.share(node, epoch), Buffer.alloc(48, 1))
})

t.test('of a node that the store does not list nothing is held', async t => {
  const { store } = await client(t, () => ({ body: { [someNodeId(2)]: { epochs: [epoch], counter: 3 } } }))
  t.same(await store.holding(node), { epochs: [], counter: 0 })
  t.same(await store.holding(someNodeId(2)), { epochs: [epoch], counter: 3 })
})
