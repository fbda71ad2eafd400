import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { HttpError } from '../../http/error.ts'
import { formatInvite } from '../../protocol/cluster/invite.ts'
import type { JoinRequest } from '../../protocol/cluster/joining.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import { parseGrant } from '../../protocol/grant.ts'
import { verifyOrder } from '../../protocol/order.ts'
import { acknowledgementContext, acknowledgementRequestSchema } from '../../protocol/requests.ts'
import { sealTo } from '../../protocol/seal.ts'
import { newNode } from '../protocol/cluster/sample.ts'
import { cluster, fingerprint, gatewayKeys, origin } from './gateway.ts'
import type { GatewayBehaviour } from './gateway.ts'
import { answerOf, invite, joinedFile, joining, token } from './joining.ts'
import type { Lie } from './joining.ts'
import { agentToken, luksUuid, now } from './node.ts'
import { orama, owner, ownerKey } from './support.ts'

t.test('enroll --invite has a node join, and keeps its file', async t => {
  const { node, config, claims, requests, setting, byAddress } = await joining(t)
  const ran = await orama(setting, ...byAddress, '--claim', '9tb-3va')
  t.equal(ran.code, 0, ran.err)
  const environment = cluster.slice(0, 8)
  t.match(JSON.parse(ran.out), {
    nodeId: node.nodeId,
    owner,
    cluster,
    address: '10.0.0.2',
    luksUuid,
    environment,
  })
  t.same(claims, ['9TB3VA'], 'sealed to the node')
  const file = await joinedFile(config, node)
  t.match(file, { environment, address: '10.0.0.2', enrolled: { luksUuid, agentToken } })
  t.equal((await stat(join(config, 'nodes', `${node.nodeId}.json`))).mode & 0o777, 0o600)
  t.match(parseGrant(requests[0]?.grant.text ?? ''), {
    kind: 'join',
    cluster,
    authority: owner,
    nodeIp: '192.0.2.8',
    gatewayKey: gatewayKeys.publicKey.toString('base64url'),
  })
  const kept = JSON.parse((await orama(setting, 'env', 'list', '--json')).out) as unknown
  t.match(kept, {
    environments: [{ name: environment, gateway: origin, fingerprint, cluster, authority: owner }],
  })
})

t.test('neither token, claim word nor wallet is printed, kept, or told to the gateway', async t => {
  const { config, gateway, node, setting, byAddress } = await joining(t)
  const ran = await orama(setting, ...byAddress, '--claim', '9TB3VA')
  const kept = JSON.stringify(await joinedFile(config, node))
  const all = ran.out + ran.err + kept + JSON.stringify(gateway.asked)
  for (const secret of [token, ownerKey])
    for (const encoding of ['hex', 'base64url'] as const)
      t.notOk(all.includes(secret.toString(encoding).slice(0, 40)))
  t.notMatch(all, '9TB3VA')
  t.notMatch(ran.out + ran.err, agentToken)
})

t.test('the invite comes by standard input too, and a bare token with its environment', async t => {
  const { config, setting, byAddress, file } = await joining(t)
  const piped = byAddress.map(word => (word === file ? '-' : word))
  const readFd = (fd: number) =>
    Promise.resolve(Buffer.from(fd === 0 ? `${formatInvite(invite)}\n` : 'correct horse\n'))
  t.equal((await orama({ ...setting, world: { readFd } }, ...piped)).code, 0)
  const path = join(config, 'token.txt')
  await writeFile(path, `${token.toString('hex')}\n`)
  const bare = byAddress.flatMap(word => (word === '--invite' ? '--token' : word === file ? path : word))
  const ran = await orama(setting, ...bare, '--env', cluster.slice(0, 8))
  t.equal(ran.code, 0, ran.err)
})

t.test('a node that nobody can call is found at the gateway by its code', async t => {
  const { config, gateway, node, claims, setting, line } = await joining(t)
  const alone = { ...setting, ports: { 443: gateway.port } }
  const typed = `${node.code.slice(0, 4).toLowerCase()}-${node.code.slice(4)}`
  const ran = await orama(alone, ...line, '--by-code', typed, '--claim', '9TB3VA')
  t.equal(ran.code, 0, ran.err)
  t.equal(gateway.asked.find(({ route }) => route === 'GET /v1/node/hello')?.query, `?code=${node.code}`)
  t.equal((await joinedFile(config, node)).nodeIp, '0.0.0.0')
  t.same(claims, ['9TB3VA'])
})

t.test('a gateway that shows the node of another code gets nothing', async t => {
  const { gateway, requests, setting, line } = await joining(t)
  const ran = await orama(setting, ...line, '--by-code', '00000000', '--claim', '9TB3VA')
  t.equal(ran.code, 5)
  t.match(ran.err, /node of another code/)
  t.same(requests, [])
  gateway.behaviour.hello = () => ({ hello: { v: 1 } })
  t.equal((await orama(setting, ...line, '--by-code', '00000000')).code, 1)
  delete gateway.behaviour.hello
  t.equal((await orama(setting, ...line, '--by-code', '00000000')).code, 3, 'nobody waits')
})

t.test('the file is on the disk before anything is sent', async t => {
  const { config, node, gateway, setting, byAddress } = await joining(t)
  const saved: string[] = []
  gateway.behaviour.enroll = async request => {
    saved.push((await joinedFile(config, node)).grant.text)
    return answerOf(node, request)
  }
  t.equal((await orama(setting, ...byAddress)).code, 0)
  t.same(saved, [(await joinedFile(config, node)).grant.text])
})

/** The first answer is lost. */
const losing = (behaviour: GatewayBehaviour) => {
  behaviour.answers = {
    'POST /v1/node/enroll': ({ visit }) => {
      visit.request.socket.destroy()
      return { body: '' }
    },
  }
}

t.test('cut off, the same command sends the same grant, and no wallet is asked', async t => {
  const { config, node, gateway, setting, byAddress } = await joining(t)
  losing(gateway.behaviour)
  const first = await orama(setting, ...byAddress)
  t.equal(first.code, 4)
  t.match(first.err, /same command again/)
  const { grant } = await joinedFile(config, node)
  delete gateway.behaviour.answers
  const world = { readFd: () => Promise.reject(new Error('not asked')) }
  const again = await orama({ ...setting, world }, ...byAddress)
  t.equal(again.code, 0, again.err)
  const sent = gateway.asked.filter(({ route }) => route === 'POST /v1/node/enroll').map(({ body }) => body)
  t.equal(sent.length, 2)
  for (const body of sent) t.match(JSON.parse(body), { grant })
})

for (const how of ['by its address', 'by its code'] as const)
  t.test(`cut off after the node enrolled, the same command finishes, ${how}`, async t => {
    const { config, node, gateway, setting, byAddress, line } = await joining(t)
    const words = how === 'by its code' ? [...line, '--by-code', node.code] : byAddress
    losing(gateway.behaviour)
    t.equal((await orama(setting, ...words)).code, 4)
    delete gateway.behaviour.answers
    delete gateway.behaviour.hello
    const closed = { config, ports: { 443: gateway.port } }
    const ran = await orama(closed, ...words)
    t.equal(ran.code, 0, ran.err)
    t.match(await joinedFile(config, node), { enrolled: { agentToken } })
    const again = await orama(closed, ...words)
    t.equal(again.code, 0)
    t.match(again.err, /on file as enrolled/)
  })

t.test('a grant that is nearly over is signed anew', async t => {
  const { config, node, gateway, requests, setting, byAddress } = await joining(t)
  losing(gateway.behaviour)
  await orama(setting, ...byAddress)
  delete gateway.behaviour.answers
  const file = await joinedFile(config, node)
  const text = file.grant.text.replace(/expires: .*/, 'expires: 2026-11-21T08:04:00Z')
  const path = join(config, 'nodes', `${node.nodeId}.json`)
  await writeFile(path, JSON.stringify({ ...file, grant: { ...file.grant, text } }))
  const ran = await orama(setting, ...byAddress)
  t.equal(ran.code, 0, ran.err)
  t.equal(parseGrant(requests[0]?.grant.text ?? '').expires, '2026-11-21T08:16:00Z')
})

/** A gateway that lost what the node said, which says it again to its owner. */
async function lost(t: Parameters<typeof joining>[0], lie: Lie = {}) {
  const set = await joining(t)
  const { behaviour } = set.gateway
  const first: JoinRequest[] = []
  behaviour.enroll = request => {
    first.push(request)
    throw new HttpError(409, 'this node has joined, and its acknowledgement was lost', 'ask it again')
  }
  const orders: number[] = []
  behaviour.acknowledge = async body => {
    const { order, ephemeral } = acknowledgementRequestSchema.parse(JSON.parse(body))
    const { nodeId } = set.node
    const by = { nodeId, owner, action: 'acknowledge', lastNumber: orders.at(-1) ?? 0, now } as const
    const checked = verifyOrder(order, by)
    orders.push(checked.number)
    if (checked.arguments['ephemeral'] !== ephemeral) throw new HttpError(403, 'unbound', 'sign it')
    const [request] = first
    if (request === undefined) throw new HttpError(404, 'nobody has joined', 'join')
    const said = Buffer.from(JSON.stringify((await answerOf(set.node, request, lie)).acknowledgement))
    return { box: sealTo(fromBase64url(ephemeral), acknowledgementContext, said) }
  }
  return { ...set, orders }
}

t.test('where the gateway lost the answer of a node its owner has it say so again', async t => {
  const { config, node, setting, byAddress, orders } = await lost(t)
  const ran = await orama(setting, ...byAddress)
  t.equal(ran.code, 0, ran.err)
  t.match(JSON.parse(ran.out), { nodeId: node.nodeId, address: '10.0.0.2', luksUuid })
  t.same(orders, [1])
  t.match(await joinedFile(config, node), {
    address: '10.0.0.2',
    orderNumber: 1,
    enrolled: { luksUuid, agentToken },
  })
})

t.test('what is not signed by the node is not taken for its word', async t => {
  const { config, node, setting, byAddress } = await lost(t, { by: newNode() })
  t.equal((await orama(setting, ...byAddress)).code, 5)
  t.equal((await joinedFile(config, node)).enrolled, undefined)
})

t.test('where the node cannot be asked either, what the gateway said first stands', async t => {
  const { gateway, node, config, setting, byAddress } = await lost(t)
  delete gateway.behaviour.acknowledge
  const ran = await orama(setting, ...byAddress)
  t.equal(ran.code, 3)
  t.match(ran.err, /its acknowledgement was lost/)
  t.equal((await joinedFile(config, node)).enrolled, undefined)
})
