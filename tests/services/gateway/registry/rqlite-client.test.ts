import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { RqliteNode } from '../../../../services/gateway/registry/rqlite-http.ts'
import { openRqlite } from '../../../../services/gateway/registry/rqlite.ts'
import { freePort } from './rqlited.ts'

type Behaviour = (response: ServerResponse) => unknown

const json =
  (body: unknown, status = 200): Behaviour =>
  response =>
    response.writeHead(status).end(JSON.stringify(body))
const failing = (error: string) => json({ results: [], error })
const good = json({ results: [{ rows_affected: 1, columns: ['a'], values: [['b']] }] })

/** A server that behaves so, and what it was asked. */
async function serving(t: Test, behaviour: Behaviour): Promise<RqliteNode & { readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request: IncomingMessage, response) => {
    void text(request).then(body => {
      asked.push(`${request.url ?? ''} ${request.headers.authorization ?? ''} ${body}`)
      behaviour(response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, asked }
}

const open = (nodes: readonly [RqliteNode, ...RqliteNode[]], patienceMs = 15_000) =>
  openRqlite({ nodes, password: Buffer.from('secret'), patienceMs })

const write = [['DELETE FROM one WHERE name = :name', { name: 'n' }]] as const
const read = ['SELECT a FROM one', {}] as const

// After these nothing was done, for certain: another node may be asked for anything.
const notDone: readonly (readonly [string, Behaviour])[] = [
  ['has no leader', response => response.writeHead(503).end('leader not found\n')],
  ['is no leader', failing('not leader')],
  ['is not ready', failing('store not ready')],
  [
    'forwards to one that is no leader any more',
    failing('node failed to process Execute on remote node at 10.0.0.1:10101: not leader'),
  ],
  ['has a queue that is full', failing('timed out enqueuing operation')],
]

// After these it was perhaps done.
const unknown: readonly (readonly [string, Behaviour])[] = [
  ['breaks the connection off', response => response.destroy()],
  [
    'breaks its answer off',
    response => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('{"res')
      response.destroy()
    },
  ],
  ['does not answer', () => undefined],
  ['lost its leadership while it committed', failing('leadership lost while committing log')],
  [
    'lost the leader while it forwarded',
    failing('node failed to process Execute on remote node at 10.0.0.1:10101: EOF'),
  ],
  ['says that it failed', json({}, 500)],
  ['answers with what is no JSON', response => response.end('<html>')],
  ['sends elsewhere', response => response.writeHead(301, { location: 'http://127.0.0.1:1/' }).end()],
  ['pretends that a text is an error', failing('not leader, says somebody')],
]

for (const [what, behaviour] of notDone)
  t.test(`a node that ${what} is passed over, for every request`, async t => {
    const [bad, fine] = [await serving(t, behaviour), await serving(t, good)]
    t.same(await open([bad, fine]).execute(write), [{ rowsAffected: 1 }])
    t.same(await open([bad, fine]).query(read), [{ a: 'b' }])
    t.equal(fine.asked.length, 2)
  })

for (const [what, behaviour] of unknown) {
  t.test(`when a node ${what}, a write is not sent again`, async t => {
    const [bad, fine] = [await serving(t, behaviour), await serving(t, good)]
    await t.rejects(open([bad, fine], 300).execute(write), { name: 'UnknownOutcomeError' })
    t.same([bad.asked.length, fine.asked.length], [1, 0])
  })

  if (what !== 'does not answer')
    t.test(`when a node ${what}, a read or a write that may be repeated goes to the next`, async t => {
      const [bad, fine] = [await serving(t, behaviour), await serving(t, good)]
      t.same(await open([bad, fine]).execute(write, { repeatable: true }), [{ rowsAffected: 1 }])
      t.same(await open([bad, fine]).query(read), [{ a: 'b' }])
    })
}

t.test('a doubt stays one when later tries certainly did nothing', async t => {
  let turn = 0
  const broken: Behaviour = response => (turn++ === 0 ? response.destroy() : response.writeHead(503).end())
  const database = open([await serving(t, broken)], 300)
  await t.rejects(database.execute(write, { repeatable: true }), { name: 'UnknownOutcomeError' })
})

t.test('a read that nobody answers is no doubt', async t => {
  const database = open([await serving(t, response => response.destroy())], 300)
  await t.rejects(database.query(read), { name: 'Error', message: /^Cannot reach rqlite: / })
})

const replies: readonly (readonly [string, Behaviour, RegExp])[] = [
  [
    'a refused statement',
    json({ results: [{ error: 'UNIQUE constraint failed: one.name <secret value>' }] }),
    /refused statement 1: UNIQUE constraint$/,
  ],
  [
    'a refusal of another kind',
    json({ results: [{ error: 'near "<secret value>": ???' }] }),
    /another error of SQLite$/,
  ],
  ['no results', json({}), /Cannot tell/],
  ['too many results', json({ results: [{}, {}] }), /Cannot tell/],
  ['too few results', json({ results: [] }), /Cannot tell/],
  ['rows that are no number', json({ results: [{ rows_affected: '<secret value>' }] }), /Cannot tell/],
  ['fewer than no rows', json({ results: [{ rows_affected: -1 }] }), /Cannot tell/],
  [
    'a request that it cannot read',
    response => response.writeHead(400).end('<secret value>'),
    /cannot read the request/,
  ],
  [
    'a password that it does not know',
    response => response.writeHead(401).end('<secret value>'),
    /refuses the password/,
  ],
]

for (const [what, behaviour, why] of replies)
  t.test(`a reply with ${what} is an error that does not repeat it`, async t => {
    const bad = await serving(t, behaviour)
    const error: unknown = await open([bad])
      .execute(write)
      .catch((cause: unknown) => cause)
    t.match(error, { message: why })
    t.notMatch(String(error), 'secret value')
    t.equal(bad.asked.length, 1)
  })

for (const [what, body] of [
  ['an error', { results: [{ error: 'no such table: one' }] }],
  ['bytes as objects', { results: [{ columns: ['a'], values: [[{}]] }] }],
  ['two results', { results: [{}, {}] }],
  ['rows that are no lists', { results: [{ columns: ['a'], values: ['b'] }] }],
] as const)
  t.test(`rows with ${what} are refused`, async t => {
    await t.rejects(open([await serving(t, json(body))]).query(read))
  })

t.test('a reply of 17 MiB is cut off, whatever it says', async t => {
  const padded = ' '.repeat(17 * 1024 * 1024) + JSON.stringify({ results: [{ rows_affected: 1 }] })
  const node = await serving(t, response => response.end(padded))
  await t.rejects(open([node]).execute(write), { name: 'UnknownOutcomeError' })
})

t.test(
  'statements and values travel apart, in one transaction, with the password in the header alone',
  async t => {
    const node = await serving(t, good)
    await open([node]).execute(write)
    await open([node]).query(read)
    const authorization = `Basic ${Buffer.from('orama:secret').toString('base64')}`
    t.same(node.asked, [
      `/db/execute?transaction ${authorization} ${JSON.stringify(write)}`,
      `/db/query?level=linearizable ${authorization} ${JSON.stringify([read])}`,
    ])
  },
)

t.test('after a node was away the next call begins with the one that answered', async t => {
  const [first, second] = [await serving(t, failing('not leader')), await serving(t, good)]
  const database = open([first, second])
  for (let call = 0; call < 3; call++) await database.query(read)
  t.same([first.asked.length, second.asked.length], [1, 3])
})

t.test('nobody answers: an error in time, which names no one', async t => {
  const nodes = [
    { host: '127.0.0.1', port: await freePort() },
    { host: '127.0.0.1', port: await freePort() },
  ] as const
  await t.rejects(open(nodes, 300).execute(write), {
    name: 'Error',
    message: 'Cannot reach rqlite: no connection (ECONNREFUSED)',
  })
})

t.test('a closed database has forgotten its password', async t => {
  const node = await serving(t, good)
  const database = open([node])
  await database.close()
  await database.query(read)
  t.notMatch(node.asked[0], Buffer.from('orama:secret').toString('base64'))
})
