import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { nodeFileSchema } from '../../operator/node-file.ts'
import { answer, diskSecret, playNode } from './node.ts'
import type { Behaviour, PlayedNode } from './node.ts'
import { cluster } from './gateway.ts'
import { keepJoined, proxied } from './proxied.ts'
import { configFolder, orama, passphrase, writeWallet } from './support.ts'

const line = ['node', 'unlock', '--genesis', '--node-ip', '10.0.0.1', '--passphrase-fd', '3', '--json']

const away = 'naaaaaaaaaaaaaaaa'

/** A node that was enrolled, and its operator's folder. */
async function enrolled(t: Parameters<typeof playNode>[0] & Parameters<typeof configFolder>[0]) {
  const node = await playNode(t)
  const config = await configFolder(t)
  const enroll = ['node', 'enroll', '--genesis', '--node-ip', '192.0.2.7', '--passphrase-fd', '3']
  await orama({ config, ports: { 9999: node.port } }, ...enroll, '--code', node.code)
  return { node, config, setting: { config, ports: { 9998: node.port } } }
}

const posts = (node: PlayedNode) =>
  node.requests.filter(({ path, method }) => path.endsWith('unlock') && method === 'POST')

t.test('unlock brings the escrowed secret to the node, sealed, under an order', async t => {
  const { node, setting } = await enrolled(t)
  const ran = await orama(setting, ...line)
  t.equal(ran.code, 0, ran.err)
  t.same(JSON.parse(ran.out), { nodeId: node.nodeId, status: 'unlocked' })
  t.same(node.secrets, [diskSecret.toString('hex')])
  for (const encoding of ['hex', 'base64', 'base64url'] as const)
    t.notOk((posts(node)[0]?.body ?? '').includes(diskSecret.toString(encoding).slice(0, 40)))
})

t.test('unlock works again and again, and by the public address', async t => {
  const { node, setting } = await enrolled(t)
  for (const ip of ['10.0.0.1', '192.0.2.7', '10.0.0.1'])
    t.equal((await orama(setting, ...line.map(word => (word === '10.0.0.1' ? ip : word)))).code, 0)
  t.equal(node.secrets.length, 3)
})

t.test('unlock takes over when the node counted more orders than this machine', async t => {
  const { node, setting, config } = await enrolled(t)
  await orama(setting, ...line)
  const path = join(config, 'nodes', `${node.nodeId}.json`)
  const file = nodeFileSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  await writeFile(path, JSON.stringify({ ...file, orderNumber: 0 }))
  t.equal((await orama(setting, ...line)).code, 0)
})

t.test('a joined node is unlocked by a gateway, which learns nothing', async t => {
  const { node, config, setting, gateway } = await proxied(t)
  await keepJoined(config, node)
  node.behaviour.escrow = { cluster }
  const byGateway = [
    'node',
    'unlock',
    '--env',
    'home',
    '--node',
    node.nodeId,
    '--passphrase-fd',
    '3',
    '--json',
  ]
  const ran = await orama(setting, ...byGateway)
  t.equal(ran.code, 0, ran.err)
  t.same(node.secrets, [diskSecret.toString('hex')])
  t.notOk(
    gateway.asked.some(one => one.route.includes('/operator/')),
    'nobody has to sign in',
  )
  const stranger = await orama(setting, ...byGateway.map(word => (word === node.nodeId ? away : word)))
  t.equal(stranger.code, 2)
  t.match(stranger.err, /no file of it/)
})

const refused: readonly (readonly [string, Partial<Behaviour>, number, RegExp])[] = [
  ['another node answers', { offer: { nodeId: 'naaaaaaaaaaaaaaaa' } }, 5, /naaaaaaaaaaaaaaaa answered/],
  [
    'the key of its offer is another',
    { altered: { oneTimeKey: 'A'.repeat(43) } },
    5,
    /did not sign this offer/,
  ],
  ['the number of its last order is another', { altered: { number: 7 } }, 5, /did not sign this offer/],
  ['nobody signed its offer', { altered: { signature: 'A'.repeat(86) } }, 5, /did not sign this offer/],
  ['orders are counted far ahead', { offer: { number: 9_000_000 } }, 5, /too far ahead/],
  [
    'the escrow is of another disk',
    { escrow: { luksUuid: '11234567-89ab-4cde-8f01-23456789abcd' } },
    1,
    /luksUuid/,
  ],
  ['the escrow is of another cluster', { escrow: { cluster: 'f'.repeat(32) } }, 1, /cluster/],
  ['the escrow is of another node', { escrow: { nodeId: 'naaaaaaaaaaaaaaaa' } }, 1, /nodeId/],
  ['the offer is no offer', { answers: { 'GET /v1/agent/unlock': answer(200, {}) } }, 1, /Cannot understand/],
  [
    'the node is not locked',
    { answers: { 'GET /v1/agent/unlock': answer(409, { error: 'it is open' }) } },
    3,
    /it is open/,
  ],
]

for (const [why, behaviour, code, message] of refused)
  t.test(`unlock sends nothing when ${why}`, async t => {
    const { node, setting } = await enrolled(t)
    Object.assign(node.behaviour, behaviour)
    const ran = await orama(setting, ...line)
    t.equal(ran.code, code, ran.err)
    t.match(ran.err, message)
    t.same(posts(node), [])
  })

t.test('unlock refuses an older escrow than it has seen', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.escrow = { number: 5 }
  t.equal((await orama(setting, ...line)).code, 0)
  node.behaviour.escrow = { number: 4 }
  const ran = await orama(setting, ...line)
  t.equal(ran.code, 5)
  t.match(ran.err, /older than 5/)
})

/** What another command leaves on file while this one asks for the passphrase. */
async function meanwhile(t: Parameters<typeof enrolled>[0], numbers: object) {
  const { node, config, setting } = await enrolled(t)
  const path = join(config, 'nodes', `${node.nodeId}.json`)
  const readFd = async () => {
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...numbers }))
    return Buffer.from(passphrase)
  }
  return { node, ran: await orama({ ...setting, world: { readFd } }, ...line) }
}

t.test('unlock counts on from the order that another command has signed meanwhile', async t => {
  const { node, ran } = await meanwhile(t, { orderNumber: 7 })
  t.equal(ran.code, 0, ran.err)
  t.match(posts(node)[0]?.body, /number: 8/)
})

t.test('unlock sends nothing when another command has seen a newer escrow meanwhile', async t => {
  const { node, ran } = await meanwhile(t, { escrowNumber: 5 })
  t.equal(ran.code, 5, ran.err)
  t.match(ran.err, /older than 5/)
  t.same(posts(node), [])
})

t.test('unlock with another wallet says whose it is', async t => {
  const { node, setting, config } = await enrolled(t)
  await writeWallet(join(config, 'other.json'), Buffer.alloc(32, 11))
  const ran = await orama(setting, ...line, '--wallet', join(config, 'other.json'))
  t.equal(ran.code, 1)
  t.match(ran.err, /it is for 0x/)
  t.same(posts(node), [])
})

t.test('a wrong key that the node refuses is exit code 3', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'POST /v1/agent/unlock': answer(403, { error: 'wrong key' }) }
  const ran = await orama(setting, ...line)
  t.equal(ran.code, 3)
  t.match(ran.err, /wrong key/)
})

t.test('an order that was answered with an error is never sent twice', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'POST /v1/agent/unlock': answer(500, { error: 'once more' }) }
  await orama(setting, ...line)
  await orama(setting, ...line)
  const numbers = posts(node).map(({ body }) => /number: (\d+)/.exec(body)?.[1])
  t.same(numbers, ['1', '2'])
})

t.test('unlock of a node that is not on file, or without --genesis, is exit code 2', async t => {
  const { setting } = await enrolled(t)
  const unknown = line.map(word => (word === '10.0.0.1' ? '10.0.0.9' : word))
  t.equal((await orama(setting, ...unknown)).code, 2)
  t.equal((await orama(setting, ...line.filter(word => word !== '--genesis'))).code, 2)
})
