import { randomBytes } from 'node:crypto'
import { nodeTokensOf } from '../../../../services/gateway/registry/node-tokens.ts'
import { openRegistry } from '../../../../services/gateway/registry/registry.ts'
import { authority, cluster, genesisRecord, someNodeId } from '../../../protocol/cluster/sample.ts'
import { type Backend, bareRow, now, row } from './backend.ts'

const key = randomBytes(32)
const token = randomBytes(32)
const [node, other] = [someNodeId(1), someNodeId(2)]
const asHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The agents' bearer tokens: nobody reads or swaps them in the database. */
export function tokenRows(backend: Backend): void {
  row(backend, 'a token is lent at every gateway, and wiped', async (t, [a, b]) => {
    await nodeTokensOf(a, key).put(node, token)
    const lent = await nodeTokensOf(b, key).use(node, one => {
      t.equal(asHex(one), asHex(token))
      return one
    })
    t.equal(asHex(lent ?? token), '00'.repeat(32))
    t.equal(await nodeTokensOf(b, key).use(other, () => t.fail()), undefined)
  })

  row(backend, 'a token is wiped also when what it was lent to fails', async (t, [a]) => {
    await nodeTokensOf(a, key).put(node, token)
    let lent: Uint8Array = token
    const failing = (one: Uint8Array) => {
      lent = one
      throw new Error('no answer')
    }
    await t.rejects(nodeTokensOf(a, key).use(node, failing), /no answer/)
    t.equal(asHex(lent), '00'.repeat(32))
  })

  row(backend, 'the newest token counts', async (t, [a, b]) => {
    const newer = randomBytes(32)
    await nodeTokensOf(a, key).put(node, token)
    await nodeTokensOf(b, key).put(node, newer)
    t.equal(await nodeTokensOf(a, key).use(node, asHex), asHex(newer))
  })

  row(backend, 'no token lies in the database', async (t, [a, b]) => {
    await nodeTokensOf(a, key).put(node, token)
    const rows = JSON.stringify(await b.query(['SELECT * FROM node_tokens', {}]))
    for (const encoding of ['hex', 'base64', 'base64url'] as const) t.notMatch(rows, token.toString(encoding))
  })

  row(
    backend,
    "one node's token in the place of another's is refused, and so is an altered one",
    async (t, [a, b]) => {
      await nodeTokensOf(a, key).put(node, token)
      await a.execute([
        [
          'INSERT INTO node_tokens (node, box) SELECT :other, box FROM node_tokens WHERE node = :node',
          { node, other },
        ],
      ])
      const altered = { name: 'RangeError', message: /wrong key, or it was altered/ }
      await t.rejects(
        nodeTokensOf(b, key).use(other, () => t.fail()),
        altered,
      )
      await t.rejects(
        nodeTokensOf(b, randomBytes(32)).use(node, () => t.fail()),
        altered,
      )
      await a.execute([['UPDATE node_tokens SET box = :box', { box: 'A'.repeat(80) }]])
      await t.rejects(
        nodeTokensOf(b, key).use(node, () => t.fail()),
        altered,
      )
      await a.execute([['UPDATE node_tokens SET box = :box', { box: 'AAAA' }]])
      await t.rejects(
        nodeTokensOf(b, key).use(node, () => t.fail()),
        { name: 'ZodError' },
      )
    },
  )

  row(backend, 'what is no token and no node is refused', async (t, [a]) => {
    const tokens = nodeTokensOf(a, key)
    for (const length of [0, 31, 33, 10_000])
      await t.rejects(tokens.put(node, Buffer.alloc(length)), { name: 'RangeError' })
    for (const bad of ['', 'n', `${node}'`, node.toUpperCase(), "' OR 1=1 --", '\0'.repeat(17)]) {
      await t.rejects(tokens.put(bad, token), { name: 'ZodError' })
      await t.rejects(tokens.use(bad, asHex), { name: 'ZodError' })
    }
    t.same(await a.query(['SELECT * FROM node_tokens', {}]), [])
  })

  row(backend, 'a key of another length is refused', async (t, [a]) => {
    for (const length of [0, 16, 31, 33])
      t.throws(() => nodeTokensOf(a, Buffer.alloc(length)), { name: 'RangeError' })
  })

  bareRow(
    backend,
    'gateways of one cluster understand each other, one of another does not',
    async (t, [a, b]) => {
      const of = { cluster, authority: authority.address }
      const gatewayKey = randomBytes(32)
      const one = await openRegistry({ ...of, database: a, gatewayKey }, now)
      const two = await openRegistry({ ...of, database: b, gatewayKey }, now)
      const foreign = await openRegistry({ ...of, database: b, gatewayKey: randomBytes(32) }, now)
      await one.nodeTokens.put(node, token)
      t.equal(await two.nodeTokens.use(node, asHex), asHex(token))
      await t.rejects(foreign.nodeTokens.use(node, asHex), { name: 'RangeError' })
      await one.members.add({ members: [genesisRecord()], departures: [] }, now)
      t.equal((await two.members.membership()).members.size, 1)
    },
  )
}
