import t, { type Test } from 'tap'
import { addressesOf } from '../../../../services/gateway/registry/addresses.ts'
import { auditOf } from '../../../../services/gateway/registry/audit.ts'
import type { Database } from '../../../../services/gateway/registry/database.ts'
import type { RqliteNode } from '../../../../services/gateway/registry/rqlite-http.ts'
import { openRqlite } from '../../../../services/gateway/registry/rqlite.ts'
import { migrate } from '../../../../services/gateway/registry/schema.ts'
import { after, type Backend, hash, many, now } from './backend.ts'
import { freePort, password, type Rqlited, startRqlited } from './rqlited.ts'
import { registrySuite } from './suite.ts'

/** The registry against real rqlited processes of this program, on loopback. */
export function rqliteSuite(program: string): void {
  registrySuite(rqlite(program))
  nodesThatDie(program)
  nodesTogether(program)
  strangers(program)
}

/** One process for the whole suite, emptied for each test. */
function rqlite(program: string): Backend {
  let shared: Promise<Rqlited> | undefined
  return {
    name: 'rqlite',
    open: async test => {
      const node = await (shared ??= startRqlited(t, program))
      const pair = [connect(test, [node]), connect(test, [node])] as const
      await empty(pair[0])
      return pair
    },
  }
}

async function empty(database: Database): Promise<void> {
  const sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
  const tables = await database.query([sql, {}])
  if (tables.length > 0) await database.execute(tables.map(({ name }) => [`DROP TABLE ${String(name)}`, {}]))
}

function nodesThatDie(program: string): void {
  t.test('what was acknowledged is there after kill -9 and a start', async t => {
    const node = await startRqlited(t, program)
    const database = connect(t, [node])
    await migrate(database, now)
    const given = await Promise.all(many(5, at => addressFor(database, at)))
    await node.kill()
    const impatient = connect(t, [node], 300)
    const away = { name: 'Error', message: /Cannot reach rqlite/ }
    await t.rejects(impatient.query(['SELECT 1', {}]), away)
    await t.rejects(impatient.execute([['DELETE FROM addresses', {}]]), away)
    await node.start()
    t.same(await listed(database), given.toSorted())
    t.equal(await addressFor(database, 5), '10.0.0.7')
  })

  t.test('writes under way at kill -9 that may be repeated are there once, all of them', async t => {
    const node = await startRqlited(t, program)
    const gateways = [connect(t, [node]), connect(t, [node])] as const
    await migrate(gateways[0], now)
    const acknowledged = Promise.withResolvers<undefined>()
    const writes = many(100, async at => {
      await auditOf(gateways[at % 2] ?? gateways[0]).append(entry(at))
      acknowledged.resolve(undefined)
    })
    await acknowledged.promise
    await node.kill()
    await node.start()
    await Promise.all(writes)
    const { entries } = await auditOf(gateways[0]).page(256)
    t.same(entries.map(one => one.requestId).toSorted(), many(100, at => `r${at}`).toSorted())
  })
}

function nodesTogether(program: string): void {
  t.test('the leader of three dies while 20 hellos ask: each has an address of its own', async t => {
    const first = await startRqlited(t, program)
    const second = await startRqlited(t, program, { id: 'two', raft: first.raft })
    const third = await startRqlited(t, program, { id: 'three', raft: first.raft })
    const gateways = [connect(t, [first, second, third]), connect(t, [third, second, first])] as const
    await migrate(gateways[1], now)
    const acknowledged = Promise.withResolvers<undefined>()
    const asked = many(20, async at => {
      const address = await addressFor(gateways[at % 2] ?? gateways[0], at)
      acknowledged.resolve(undefined)
      return address
    })
    await acknowledged.promise
    await first.kill()
    const given = await Promise.all(asked)
    t.equal(new Set(given).size, 20)
    t.notOk(given.includes(undefined))
    t.same(await listed(gateways[1]), given.toSorted())
  })

  t.test('a follower serves what the leader just took, and the other way round', async t => {
    const first = await startRqlited(t, program)
    const second = await startRqlited(t, program, { id: 'two', raft: first.raft })
    const [leader, follower] = [connect(t, [first]), connect(t, [second])]
    await migrate(follower, now)
    for (const at of many(20, at => at)) {
      const [writer, reader] = at % 2 === 0 ? [leader, follower] : [follower, leader]
      await auditOf(writer).append(entry(at))
      t.equal((await auditOf(reader).page(1)).entries[0]?.requestId, `r${at}`)
    }
  })

  for (const [who, at] of [
    ['the leader', 0],
    ['a follower', 1],
  ] as const)
    t.test(`of two the second is expelled at ${who}: the first goes on alone`, async t => {
      const first = await startRqlited(t, program)
      const second = await startRqlited(t, program, { id: 'two', raft: first.raft })
      const gateways = [connect(t, [first]), connect(t, [second])] as const
      await migrate(gateways[1], now)
      await auditOf(gateways[0]).append(entry(0))
      await gateways[at].expel(['nobody', 'two'])
      await gateways[0].expel(['two'])
      await second.kill()
      await auditOf(gateways[0]).append(entry(1))
      t.equal((await auditOf(gateways[0]).page(9)).entries.length, 2)
    })

  t.test('the leader is expelled at the follower, which goes on alone', async t => {
    const first = await startRqlited(t, program)
    const second = await startRqlited(t, program, { id: 'two', raft: first.raft })
    const [leader, follower] = [connect(t, [first]), connect(t, [second])]
    await migrate(leader, now)
    await follower.expel(['one'])
    await first.kill()
    await auditOf(follower).append(entry(0))
    t.equal((await auditOf(follower).page(9)).entries.length, 1)
  })
}

function strangers(program: string): void {
  t.test('a wrong password is refused at once', async t => {
    const node = await startRqlited(t, program)
    const database = openRqlite({ nodes: [node], password: Buffer.from('wrong horse') })
    const refused = { message: 'Cannot use rqlite: it refuses the password' }
    await t.rejects(database.query(['SELECT 1', {}]), refused)
    await t.rejects(database.execute([['CREATE TABLE a (b)', {}]]), refused)
  })

  t.test('a node that is gone costs one try', async t => {
    const node = await startRqlited(t, program)
    const database = connect(t, [{ host: '127.0.0.1', port: await freePort() }, node])
    t.same(await database.execute([['CREATE TABLE one (a TEXT)', {}]]), [{ rowsAffected: 0 }])
    t.same(await database.query(['SELECT 1 AS one', {}]), [{ one: 1 }])
  })
}

/** Patient enough for an election, and for a process that is started anew on a busy machine. */
function connect(t: Test, nodes: readonly [RqliteNode, ...RqliteNode[]], patienceMs = 60_000): Database {
  const database = openRqlite({ nodes, password: Buffer.from(password), patienceMs })
  t.teardown(() => database.close())
  return database
}

async function listed(database: Database): Promise<string[]> {
  return (await addressesOf(database).list(now)).map(one => one.address).toSorted()
}

function addressFor(database: Database, at: number): Promise<string | undefined> {
  return addressesOf(database).allocate(allocation(at), now)
}

const allocation = (at: number) => ({ hello: hash(at), tokenHash: hash(100 + at), until: after(15) })

const entry = (at: number) => ({
  at: '2026-11-21T08:00:00Z',
  who: 'anybody',
  what: 'test',
  outcome: 'done',
  requestId: `r${at}`,
})
