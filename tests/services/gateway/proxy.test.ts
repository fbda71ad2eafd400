import type { Socket } from 'node:net'
import t from 'tap'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import { clusterActions } from '../../../protocol/requests.ts'
import { type Asked, before, echo, here, nodes, outside } from './played-node.ts'

const id = here.nodeId
const order = { text: 'OramaOS order v1', signature: `0x${'0'.repeat(130)}` }
const passed = [
  ['GET', `/v1/node/status?node_id=${id}`, undefined, 'GET', '/v1/agent/status', ''],
  ['GET', `/v1/node/status?wg_ip=${here.address}`, undefined, 'GET', '/v1/agent/status', ''],
  ['GET', `/v1/node/logs?node_id=${id}`, undefined, 'GET', '/v1/agent/logs?service=agent', ''],
  [
    'GET',
    `/v1/node/logs?node_id=${id}&service=rqlite&lines=7&follow=0`,
    undefined,
    'GET',
    '/v1/agent/logs?service=rqlite&lines=7',
    '',
  ],
  [
    'GET',
    `/v1/node/logs?node_id=${id}&follow=1`,
    undefined,
    'GET',
    '/v1/agent/logs?service=agent&follow=1',
    '',
  ],
  [
    'POST',
    `/v1/node/command?node_id=${id}`,
    { action: 'restart', service: 'rqlite' },
    'POST',
    '/v1/agent/command',
    '{"action":"restart","service":"rqlite"}',
  ],
  [
    'POST',
    `/v1/node/leave?node_id=${id}`,
    { order },
    'POST',
    '/v1/agent/command',
    JSON.stringify({ action: 'leave', order }),
  ],
  [
    'POST',
    `/v1/node/leave?node_id=${id}`,
    { order, force: 'yes' },
    'POST',
    '/v1/agent/command',
    JSON.stringify({ action: 'leave', order, force: 'yes' }),
  ],
  [
    'POST',
    `/v1/node/command?node_id=${id}`,
    { action: 'endpoints', endpoints: { [id]: '192.0.2.8:51820' }, order },
    'POST',
    '/v1/agent/command',
    JSON.stringify({ action: 'endpoints', endpoints: { [id]: '192.0.2.8:51820' }, order }),
  ],
  ...clusterActions.map(
    action =>
      [
        'POST',
        `/v1/node/command?node_id=${id}`,
        { action, order },
        'POST',
        '/v1/agent/command',
        JSON.stringify({ action, order }),
      ] as const,
  ),
] as const

for (const [method, path, body, asked, url, sent] of passed)
  t.test(`${method} ${path.replace(id, '…')} ${sent.slice(0, 25)} becomes ${asked} ${url}`, async t => {
    const { ask, bearer } = await before(t, echo)
    const headers = { ...bearer, cookie: 'a=b', 'x-forwarded-for': '10.0.0.9', accept: 'x/y' }
    const answer = await ask(method, path, { headers, ...(body && { body: JSON.stringify(body) }) })
    t.equal(answer.status, 200)
    const seen = JSON.parse(answer.body) as Asked
    t.match(seen, { method: asked, url, body: sent })
    t.equal(seen.headers.authorization, `Bearer ${'ab'.repeat(32)}`)
    t.same(
      Object.keys(seen.headers).filter(name => !['host', 'connection', 'authorization'].includes(name)),
      sent === '' ? [] : ['content-type', 'content-length'],
      'and nothing else of the client',
    )
  })

const acknowledgement = { order, ephemeral: 'A'.repeat(43) }
const ofOwners = [
  ['POST', 'acknowledgement', acknowledgement],
  ['GET', 'unlock', undefined],
  ['POST', 'unlock', { order, box: 'AAAA' }],
] as const
for (const [method, route, body] of ofOwners)
  t.test(`${method} ${route} is for anyone, and is asked without the token of the node`, async t => {
    const tokenOf = () => Promise.reject(new Error('asked for a token'))
    const { ask } = await before(t, echo, { tokenOf })
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const answer = await ask(method, `/v1/node/${route}?node_id=${id}`, sent)
    t.equal(answer.status, 200, answer.body)
    const seen = JSON.parse(answer.body) as Asked
    t.match(seen, { method, url: `/v1/agent/${route}`, body: sent.body ?? '' })
    t.notOk('authorization' in seen.headers)
  })

const unasked = [
  ['a stranger', `node_id=${someNodeId(9)}`, acknowledgement, 404],
  ['a node outside of the network', `node_id=${outside.nodeId}`, acknowledgement, 403],
  ['nobody', '', acknowledgement, 400],
  ['more than there is', `node_id=${id}`, { ...acknowledgement, more: 1 }, 400],
  ['no order', `node_id=${id}`, { ephemeral: acknowledgement.ephemeral }, 400],
] as const
for (const [what, query, body, status] of unasked)
  t.test(`an acknowledgement is refused with ${status} that asks for ${what}`, async t => {
    const { ask } = await before(t, () => t.fail('asked'))
    const answer = await ask('POST', `/v1/node/acknowledgement?${query}`, { body: JSON.stringify(body) })
    t.equal(answer.status, status)
  })

t.test('strangers do not learn by its address whose a node is', async t => {
  const { ask } = await before(t, () => t.fail('asked'))
  t.equal((await ask('GET', `/v1/node/unlock?wg_ip=${here.address}`)).status, 400)
})

const everyRoute = [
  ['GET', '/v1/node/list'],
  ['GET', `/v1/node/status?node_id=${id}`],
  ['GET', `/v1/node/logs?node_id=${id}&follow=1`],
  ['POST', `/v1/node/command?node_id=${id}`],
  ['POST', `/v1/node/leave?node_id=${id}`],
] as const
for (const [method, path] of everyRoute)
  t.test(`${method} ${path.replace(id, '…')} is for operators alone`, async t => {
    const { ask } = await before(t, () => t.fail('asked'))
    t.equal((await ask(method, path)).status, 401)
  })

t.test('the members are listed', async t => {
  const { ask, bearer } = await before(t, echo)
  t.same(JSON.parse((await ask('GET', '/v1/node/list', { headers: bearer })).body), { nodes })
})

const noNode = [
  ['no node', '', 400],
  ['an empty node id', 'node_id=', 400],
  ['both names', `node_id=${id}&wg_ip=${here.address}`, 400],
  ['a node id twice', `node_id=${id}&node_id=${id}`, 400],
  ['a node id in upper case', `node_id=${id.toUpperCase()}`, 400],
  ['a node id with a path', `node_id=${id}/../x`, 400],
  ['a node id with a path in disguise', `node_id=${id}%2f..%2fx`, 400],
  ['dots for a node id', 'node_id=..', 400],
  ['a node id with a nul', `node_id=${id}%00`, 400],
  ['a node id with a newline', `node_id=${id}%0a`, 400],
  ['an address with a port', `wg_ip=${here.address}:80`, 400],
  ['an address with a path', `wg_ip=${here.address}/v1`, 400],
  ['an address with a user', `wg_ip=x@${here.address}`, 400],
  ['an address with leading zeros', 'wg_ip=127.0.09.1', 400],
  ['an address as one number', 'wg_ip=2130708737', 400],
  ['an address in hex', 'wg_ip=0x7f000901', 400],
  ['an IPv6 address', 'wg_ip=::1', 400],
  ['a host name', 'wg_ip=localhost', 400],
  ['an unknown name', `node_id=${id}&path=/v1/agent/unlock`, 400],
  ['a node that nobody knows', `node_id=${someNodeId(9)}`, 404],
  ['an address of the network that nobody has', 'wg_ip=127.0.9.77', 404],
  ['this machine', 'wg_ip=127.0.0.1', 403],
  ['the address of a cloud’s metadata', 'wg_ip=169.254.169.254', 403],
  ['everywhere', 'wg_ip=0.0.0.0', 403],
  ['the address next to the network', 'wg_ip=127.0.8.1', 403],
  ['a member that claims an address outside', `node_id=${outside.nodeId}`, 403],
] as const

for (const [why, query, status] of noNode)
  t.test(`refused with ${status}, and nobody is called: ${why}`, async t => {
    const { ask, bearer } = await before(t, () => t.fail('called'))
    const answers = [
      await ask('GET', `/v1/node/status?${query}`, { headers: bearer }),
      await ask('GET', `/v1/node/logs?follow=1&${query}`, { headers: bearer }),
      await ask('POST', `/v1/node/command?${query}`, { headers: bearer, body: '{"action":"status"}' }),
      await ask('POST', `/v1/node/leave?${query}`, { headers: bearer, body: JSON.stringify({ order }) }),
    ]
    t.same(
      answers.map(answer => answer.status),
      [status, status, status, status],
    )
    t.match(JSON.parse(answers[0]?.body ?? ''), { error: /./, hint: /./ })
  })

const badLogs = [
  'service=../agent',
  'service=%2e%2e%2fagent',
  'service=Rqlite',
  'service=a/b',
  'service=',
  `service=${'a'.repeat(33)}`,
  'service=a&service=b',
  'service=a%26follow%3d1',
  'service=a%0d%0ax:y',
  'lines=0',
  'lines=1001',
  'lines=-1',
  'lines=1e2',
  'lines=',
  'lines=01',
  'follow=yes',
  'follow=1&follow=0',
]
for (const query of badLogs)
  t.test(`logs are refused with 400: ${query}`, async t => {
    const { ask, bearer } = await before(t, () => t.fail('called'))
    t.equal((await ask('GET', `/v1/node/logs?node_id=${id}&${query}`, { headers: bearer })).status, 400)
  })

const badBodies = [
  ['command', '', 400],
  ['command', 'restart', 400],
  ['command', '{}', 400],
  ['command', '{"action":"shell"}', 400],
  ['command', '{"action":"restart","service":"../x"}', 400],
  ['command', '{"action":"restart","service":"rqlite","more":1}', 400],
  ['command', JSON.stringify({ action: 'restart', service: 'x'.repeat(40_000) }), 413],
  ['leave', '{}', 400],
  ['leave', '{"action":"reboot"}', 400],
  ['leave', JSON.stringify({ order, action: 'reboot' }), 400],
  ['leave', JSON.stringify({ order, force: 'no' }), 400],
  ['leave', JSON.stringify({ order, force: true }), 400],
  ['command', JSON.stringify({ action: 'endpoints', order, endpoints: { [id]: '192.0.2.8' } }), 400],
  ['command', JSON.stringify({ action: 'endpoints', order, endpoints: { x: '192.0.2.8:1' } }), 400],
  ['command', JSON.stringify({ action: 'evict', order: { text: order.text } }), 400],
  ['leave', JSON.stringify({ order: { ...order, signature: '' } }), 400],
] as const
for (const [route, body, status] of badBodies)
  t.test(`a ${route} is refused with ${status}: ${body.slice(0, 50)}`, async t => {
    const { ask, bearer } = await before(t, () => t.fail('called'))
    t.equal((await ask('POST', `/v1/node/${route}?node_id=${id}`, { headers: bearer, body })).status, status)
  })

const patient = [
  ['GET', 'status', undefined, 30_000],
  ['POST', 'command', { action: 'restart', service: 'rqlite' }, 65_000],
  ['POST', 'leave', { order }, 65_000],
  ['POST', 'unlock', { order, box: 'AAAA' }, 125_000],
] as const
for (const [method, route, body, idleMs] of patient)
  t.test(`who asks for ${method} ${route} is not cut off while the node works, for ${idleMs} ms`, async t => {
    const sockets: Socket[] = []
    const seen: (number | undefined)[] = []
    const { server, ask, bearer } = await before(t, (request, response) => {
      seen.push(...sockets.map(socket => socket.timeout))
      echo(request, response)
    })
    server.on('secureConnection', (socket: Socket) => sockets.push(socket))
    await ask(method, `/v1/node/${route}?node_id=${id}`, {
      headers: bearer,
      ...(body && { body: JSON.stringify(body) }),
    })
    t.same(seen, [idleMs])
  })

const statuses = [200, 204, 301, 400, 401, 403, 404, 409, 500, 503, 599]
for (const status of statuses)
  t.test(`the node's ${status} passes, with its body and type and no other header`, async t => {
    const { ask, bearer } = await before(t, (_, response) => {
      response.writeHead(status, {
        'content-type': 'text/x-node',
        location: 'http://evil.example',
        'set-cookie': 'a=b',
        server: 'x',
      })
      response.end('as it is \xff')
    })
    const { headers, ...answer } = await ask('GET', `/v1/node/status?node_id=${id}`, { headers: bearer })
    t.same(answer, { status, body: status === 204 ? '' : 'as it is \xff' })
    t.match(headers, { 'content-type': 'text/x-node', 'x-content-type-options': 'nosniff' })
    t.match(headers['content-security-policy'], /default-src 'none'/)
    for (const name of ['location', 'set-cookie', 'server']) t.notOk(name in headers, name)
  })
