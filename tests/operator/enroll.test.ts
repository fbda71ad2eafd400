import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { genesisFileSchema } from '../../operator/node-file.ts'
import type { GenesisFile } from '../../operator/node-file.ts'
import { newKeyPair } from '../../protocol/keys.ts'
import { genesisRecord } from '../protocol/cluster/sample.ts'
import { agentToken, answer, enrollLine as base, luksUuid, playNode } from './node.ts'
import type { Behaviour, PlayedNode } from './node.ts'
import { configFolder, orama, owner, ownerKey, writeWallet } from './support.ts'

const fileOf = (config: string, { nodeId }: PlayedNode) => join(config, 'nodes', `${nodeId}.json`)

async function nodeFile(config: string, node: PlayedNode): Promise<GenesisFile> {
  return genesisFileSchema.parse(JSON.parse(await readFile(fileOf(config, node), 'utf8')))
}

t.test('enroll makes a node a genesis node and keeps its file to itself', async t => {
  const node = await playNode(t)
  const config = await configFolder(t)
  const ran = await orama(
    { config, ports: { 9999: node.port } },
    ...base,
    '--code',
    node.code,
    '--claim',
    '9tb-3va',
  )
  t.equal(ran.code, 0, ran.err)
  const file = await nodeFile(config, node)
  t.match(JSON.parse(ran.out), {
    nodeId: node.nodeId,
    owner,
    address: '10.0.0.1',
    cluster: file.cluster,
    luksUuid,
  })
  t.match(file.enrolled, { luksUuid, agentToken })
  t.equal(node.claims[0], '9TB3VA')
  t.match(node.configs[0]?.wireguard, { address: '10.0.0.1', prefix: 24, listenPort: 51820 })
  t.match(node.configs[0]?.wireguard.peers, [
    { name: 'operator', publicKey: file.wireguard.operatorPublic, address: '10.0.0.254' },
  ])
  t.equal((await stat(join(config, 'nodes'))).mode & 0o777, 0o700)
  t.equal((await stat(join(config, 'nodes', `${node.nodeId}.json`))).mode & 0o777, 0o600)
})

t.test('enroll asks for code and claim word as a person types them', async t => {
  const node = await playNode(t)
  const config = await configFolder(t)
  const typed = [` ${node.code.slice(0, 4).toLowerCase()}-${node.code.slice(4)}`, '9tb 3va']
  const ran = await orama({ config, ports: { 9999: node.port }, typed }, ...base)
  t.equal(ran.code, 0, ran.err)
  t.equal(node.claims[0], '9TB3VA')
})

t.test('enroll saves grant, keys and cluster before it sends anything', async t => {
  const config = await configFolder(t)
  const saved: string[] = []
  const onCompletion = async () => {
    for (const name of await readdir(join(config, 'nodes')))
      if (name.endsWith('.json')) saved.push(await readFile(join(config, 'nodes', name), 'utf8'))
  }
  const node = await playNode(t, { onCompletion })
  await orama({ config, ports: { 9999: node.port } }, ...base, '--code', node.code)
  t.equal(saved.length, 1)
  const file = genesisFileSchema.parse(JSON.parse(saved[0] ?? ''))
  t.equal(file.enrolled, undefined)
  t.equal(file.cluster, node.configs[0]?.cluster)
})

t.test('an answer that was lost is fetched over WireGuard by the same command', async t => {
  const node = await playNode(t, { losesAnswer: true })
  const config = await configFolder(t)
  const line = [...base, '--code', node.code]
  const first = await orama({ config, ports: { 9999: node.port } }, ...line)
  t.equal(first.code, 4)
  t.match(first.err, /same command again/)
  const closed = await orama({ config }, ...line)
  t.equal(closed.code, 4, 'neither 9999 nor 9998 answers')
  t.match(closed.err, /wg-config/)
  const again = await orama({ config, ports: { 9998: node.port } }, ...line)
  t.equal(again.code, 0, again.err)
  const file = await nodeFile(config, node)
  t.match(file.enrolled, { agentToken, luksUuid })
  t.equal(file.orderNumber, 2, 'an order that got lost has used its number')
})

t.test('an order that another command has signed during the enrollment stays counted', async t => {
  const config = await configFolder(t)
  const onCompletion = async () => {
    await writeFile(
      fileOf(config, node),
      JSON.stringify({ ...(await nodeFile(config, node)), orderNumber: 7 }),
    )
  }
  const node = await playNode(t, { onCompletion })
  await orama({ config, ports: { 9999: node.port } }, ...base, '--code', node.code)
  t.match(await nodeFile(config, node), { orderNumber: 7, enrolled: { luksUuid } })
})

t.test('an answer that was lost while 9999 stays open: the same cluster and keys again', async t => {
  const node = await playNode(t, { losesAnswer: true })
  const config = await configFolder(t)
  const line = [...base, '--code', node.code]
  t.equal((await orama({ config, ports: { 9999: node.port } }, ...line)).code, 4)
  node.behaviour.losesAnswer = false
  t.equal((await orama({ config, ports: { 9999: node.port } }, ...line)).code, 0)
  const [first, second] = node.configs
  t.equal(node.configs.length, 2)
  t.same(first, second)
})

t.test('enroll of a node that is on file says so, without wallet or network', async t => {
  const node = await playNode(t)
  const config = await configFolder(t)
  const line = [...base, '--code', node.code]
  await orama({ config, ports: { 9999: node.port } }, ...line)
  const ran = await orama(
    { config, world: { readFd: () => Promise.reject(new Error('not asked')) } },
    ...line,
  )
  t.equal(ran.code, 0)
  t.match(ran.err, /on file as enrolled/)
})

t.test('a machine that was flashed again replaces its earlier file', async t => {
  const config = await configFolder(t)
  const nodes = [await playNode(t), await playNode(t)]
  for (const node of nodes) await orama({ config, ports: { 9999: node.port } }, ...base, '--code', node.code)
  t.same(await readdir(join(config, 'nodes', 'replaced')), [`${nodes[0]?.nodeId ?? ''}.json`])
})

t.test('--operator-key goes to the node, and no private key of it is made', async t => {
  const node = await playNode(t)
  const config = await configFolder(t)
  const key = newKeyPair('x25519').publicKey.toString('base64')
  const ran = await orama(
    { config, ports: { 9999: node.port } },
    ...base,
    '--code',
    node.code,
    '--operator-key',
    key,
  )
  t.equal(ran.code, 0, ran.err)
  t.equal(node.configs[0]?.wireguard.peers[0]?.publicKey, key)
  t.equal((await nodeFile(config, node)).wireguard.operatorPrivate, undefined)
})

t.test('--trust-network compares nothing, sends no claim word, and says so', async t => {
  const node = await playNode(t)
  const config = await configFolder(t)
  const ran = await orama({ config, ports: { 9999: node.port } }, ...base, '--trust-network')
  t.equal(ran.code, 0, ran.err)
  t.match(ran.err, /Trusting the network/)
  t.same(node.claims, [undefined])
})

const wrongFoot = (changes: Partial<Behaviour>) => changes
const another = newKeyPair('ed25519').publicKey.toString('base64url')
const refused: readonly (readonly [string, Partial<Behaviour>, number, RegExp])[] = [
  ['a hello that has expired', wrongFoot({ hello: { expires: '2026-11-21T08:00:59Z' } }), 5, /expired/],
  [
    'a hello that claims 16 minutes',
    wrongFoot({ hello: { expires: '2026-11-21T08:17:00Z' } }),
    5,
    /15 minutes/,
  ],
  [
    'a page whose code is not that of its keys',
    wrongFoot({ pageCode: '00000000' }),
    5,
    /not that of its keys/,
  ],
  ['a hello with a field too many', wrongFoot({ hello: { extra: 1 } as object }), 1, /Cannot understand/],
  [
    'a page that is no JSON',
    wrongFoot({ answers: { 'GET /': r => r.end('<html>') } }),
    1,
    /Cannot understand/,
  ],
  ['a page of 1 MiB', wrongFoot({ answers: { 'GET /': r => r.end('x'.repeat(2 ** 20)) } }), 1, /more than/],
  ['a page with status 500', wrongFoot({ answers: { 'GET /': answer(500, {}) } }), 3, /status 500/],
  [
    'an acknowledgement of another owner',
    wrongFoot({ acknowledgement: { owner: '0x52908400098527886E0F7030069857D2E4169EE7' } }),
    5,
    /another owner/,
  ],
  [
    'an acknowledgement of another cluster',
    wrongFoot({ acknowledgement: { cluster: 'f'.repeat(32) } }),
    5,
    /another cluster/,
  ],
  ['a hello whose identity signs nothing here', wrongFoot({ hello: { identity: another } }), 5, /not signed/],
  [
    'a reply that is not sealed for us',
    wrongFoot({
      answers: {
        'POST /v1/agent/enroll/complete': answer(200, { v: 1, box: 'A'.repeat(80), member: genesisRecord() }),
      },
    }),
    5,
    /acknowledgement/,
  ],
]

for (const [why, behaviour, code, message] of refused)
  t.test(`enroll refuses: ${why}`, async t => {
    const node = await playNode(t, behaviour)
    const config = await configFolder(t)
    const ran = await orama({ config, ports: { 9999: node.port } }, ...base, '--code', node.code)
    t.equal(ran.code, code, ran.err)
    t.match(ran.err, message)
    t.equal(ran.out, '')
  })

t.test('enroll refuses a man in the middle: his hello has another code than the console', async t => {
  const [node, impostor] = [await playNode(t), await playNode(t)]
  const config = await configFolder(t)
  const ran = await orama(
    { config, ports: { 9999: impostor.port } },
    ...base,
    '--code',
    node.code,
    '--claim',
    '9TB3VA',
  )
  t.equal(ran.code, 5)
  t.same(
    impostor.requests.map(({ method }) => method),
    ['GET'],
    'no grant, no claim word',
  )
  await t.rejects(readdir(join(config, 'nodes')), 'nothing was begun')
})

t.test('enroll tells what the node said, without its escape sequences', async t => {
  const said = answer(403, { error: 'no \u001b[2Jclaim', hint: 'look \u202eup' })
  const node = await playNode(t, { answers: { 'POST /v1/agent/enroll/complete': said } })
  const config = await configFolder(t)
  const line = base.filter(word => word !== '--json')
  const ran = await orama({ config, ports: { 9999: node.port } }, ...line, '--code', node.code)
  t.equal(ran.code, 3)
  t.match(ran.err, 'error: The node refused: no \ufffd[2Jclaim\nhint: look \ufffdup\n')
})

t.test('enroll refuses a wallet that does not own the enrollment it should finish', async t => {
  const node = await playNode(t, { losesAnswer: true })
  const config = await configFolder(t)
  await orama({ config, ports: { 9999: node.port } }, ...base, '--code', node.code)
  await writeWallet(join(config, 'other.json'), Buffer.alloc(32, 11))
  const other = ['--wallet', join(config, 'other.json')]
  const ran = await orama({ config, ports: { 9998: node.port } }, ...base, '--code', node.code, ...other)
  t.equal(ran.code, 2)
  t.match(ran.err, /was begun by wallet/)
})

t.test('nothing that enroll prints or saves holds the key of the wallet', async t => {
  const node = await playNode(t)
  const config = await configFolder(t)
  const ran = await orama({ config, ports: { 9999: node.port } }, ...base, '--code', node.code)
  const text = ran.out + ran.err + JSON.stringify(await nodeFile(config, node))
  for (const encoding of ['hex', 'base64', 'base64url'] as const)
    t.notOk(text.includes(ownerKey.toString(encoding).slice(0, 40)))
  t.notOk((ran.out + ran.err).includes(agentToken))
})
