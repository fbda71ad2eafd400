import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { callGateway } from '../../agent/enroll/call.ts'
import { completer } from '../../agent/enroll/desk.ts'
import { genesisFileSchema, joinedFileSchema } from '../../operator/node-file.ts'
import { signEndpoint } from '../../protocol/cluster/endpoint.ts'
import { signMember } from '../../protocol/cluster/member.ts'
import { type News, newsSchema } from '../../protocol/cluster/news.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import { nodeIdOf } from '../../protocol/hello.ts'
import { poll } from '../e2e/support/poll.ts'
import { enrolled as answering, newWaiting } from '../services/gateway/enroll/played-waiting.ts'
import { freePort } from '../services/gateway/registry/rqlited.ts'
import { enrolled } from './enrolled.ts'
import { answer } from './node.ts'
import { orama, owner, type Setting } from './support.ts'

/** A genesis on file that answers over WireGuard, and a gateway that is about to run beside it. */
async function withGenesis(t: Test) {
  const { node, config } = await enrolled(t)
  const file = genesisFileSchema.parse(
    JSON.parse(await readFile(join(config, 'nodes', `${node.nodeId}.json`), 'utf8')),
  )
  const { cluster, grant } = file
  const { lease, identity } = node.keys
  const member = signMember({ hello: node.hello, grant, address: '10.0.0.1' }, lease.privateKey)
  const where = { cluster, node: node.nodeId, number: 1, endpoint: '192.0.2.7:51820' }
  const known: News = {
    membership: { members: [member], departures: [] },
    endpoints: [signEndpoint(where, identity.privateKey)],
  }
  node.behaviour.answers = { 'POST /v1/agent/news': answer(200, known) }
  const told = () =>
    node.requests
      .filter(({ path }) => path === '/v1/agent/news')
      .map(({ body }) => newsSchema.parse(JSON.parse(body)).membership.members.length)
  const port = await freePort()
  const data = join(config, 'gateway')
  const now = () => new Date()
  const setting: Setting = { config, ports: { 9998: node.port, [port]: port }, world: { now } }
  return { node, config, cluster, told, port, data, setting }
}

type Genesis = Awaited<ReturnType<typeof withGenesis>>

/** Runs the gateway until it is stopped; resolves when it answers. */
async function run(t: Test, { setting, port, data }: Genesis) {
  const lines: string[] = []
  const answers = Promise.withResolvers<string>()
  const stop = Promise.withResolvers<undefined>()
  const world = {
    ...setting.world,
    out: (text: string) => {
      lines.push(text)
      const { certificate } = JSON.parse(text.startsWith('{') ? text : '{}') as { certificate?: string }
      if (certificate !== undefined) answers.resolve(certificate)
    },
    onInterrupt: (act: () => void) => {
      void stop.promise.then(act)
      return () => undefined
    },
  }
  const listen = ['--data', data, '--listen', `127.0.0.1:${port}`]
  const ended = orama({ ...setting, world }, 'gateway', 'run', ...listen)
  const end = () => {
    stop.resolve(undefined)
    return ended
  }
  t.teardown(end)
  const early = ended.then(ran => Promise.reject(new Error(ran.err)))
  early.catch(() => undefined)
  const fingerprint = await Promise.race([answers.promise, early])
  return { fingerprint, lines, end }
}

t.test('a node joins by a gateway without a node, and the genesis hears of it', async t => {
  const genesis = await withGenesis(t)
  const { config, cluster, told, port, setting, data } = genesis
  const { fingerprint, lines, end } = await run(t, genesis)
  const url = `https://127.0.0.1:${port}`
  const home = ['--gateway', url, '--server-name', 'gateway.orama.internal', '--fingerprint', fingerprint]
  const added = await poll({
    ask: () => orama(setting, 'env', 'add', 'home', ...home),
    wanted: ran => ran.code === 0,
    ...{ what: 'the gateway', deadlineMs: 60_000 },
  })
  t.equal(added.code, 0)
  const way = ['--env', 'home', '--passphrase-fd', '3']
  const invited = await orama(setting, 'node', 'invite', ...way)
  t.equal(invited.code, 0, invited.err)

  const session = await newWaiting()
  const desk = { session: () => session, owner: undefined, closed: undefined, pause: () => Promise.resolve() }
  const complete = completer({ ...desk, carryOut: answering(session) })
  const call = callGateway({
    gateway: url,
    hello: () => session.hello,
    complete,
    log: () => undefined,
    random: () => 0,
  })
  t.teardown(call.end)
  const readFd = (fd: number) => Promise.resolve(Buffer.from(fd === 0 ? invited.out : 'correct horse\n'))
  const line = [
    'node',
    'enroll',
    '--invite',
    '-',
    '--by-code',
    session.code,
    '--claim',
    session.claim,
    ...way,
  ]
  const joined = await poll({
    ask: () => orama({ ...setting, world: { ...setting.world, readFd } }, ...line),
    wanted: ran => !ran.err.includes('no node with this code'),
    // Hellos are asked for slowly.
    ...{ what: 'the call of the node', deadlineMs: 60_000, askAgainMs: 2000 },
  })
  t.equal(joined.code, 0, joined.err)
  const nodeId = nodeIdOf(fromBase64url(session.hello.identity))
  const file = joinedFileSchema.parse(
    JSON.parse(await readFile(join(config, 'nodes', `${nodeId}.json`), 'utf8')),
  )
  t.match(file, { owner, cluster, address: '10.0.0.2' })
  t.equal(told().at(-1), 2, 'the genesis was told')
  const listed = await orama(setting, 'node', 'list', ...way)
  for (const shown of [nodeId, genesis.node.nodeId]) t.match(listed.out, shown)
  t.match(lines.join(''), /admitted n\w+ at 10\.0\.0\.2 by invite/)
  t.equal((await end()).code, 0)
  t.equal((await stat(join(data, 'registry.db'))).mode & 0o777, 0o600)
})

t.test('a port that another program has is said, with what to do', async t => {
  const genesis = await withGenesis(t)
  const other = createServer().listen(genesis.port, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const listen = ['--data', genesis.data, '--listen', `127.0.0.1:${genesis.port}`]
  const { code, err } = await orama(genesis.setting, 'gateway', 'run', ...listen)
  t.equal(code, 1)
  t.match(err, `Cannot listen at 127.0.0.1:${genesis.port}`)
  t.match(err, 'give another port with --listen IP:PORT')
})

t.test('started again it knows its cluster although nobody answers, by the same certificate', async t => {
  const genesis = await withGenesis(t)
  const first = await run(t, genesis)
  await first.end()
  genesis.node.behaviour.answers = { 'POST /v1/agent/news': response => response.destroy() }
  const second = await run(t, genesis)
  t.equal(second.fingerprint, first.fingerprint)
  t.equal((await second.end()).code, 0)
})

t.test('it does not start where it never heard of its cluster', async t => {
  const { setting, data, node } = await withGenesis(t)
  for (const status of [401, 500]) {
    node.behaviour.answers = { 'POST /v1/agent/news': answer(status, { error: 'no' }) }
    const ran = await orama(setting, 'gateway', 'run', '--data', data)
    t.equal(ran.code, 4)
    t.match(ran.err, /its genesis does not answer[^]*wg-config/)
  }
})

const data = ['--data', 'x']
const unreadable: readonly (readonly string[])[] = [
  [],
  [...data, '--listen', '443'],
  [...data, '--listen', '127.0.0.1:0'],
  [...data, '--listen', '127.0.0.1:65536'],
  [...data, '--listen', 'localhost:443'],
  [...data, '--cert', 'c.pem'],
  [...data, '--cert', 'c.pem', '--key', 'k.pem'],
  [...data, '--origin', 'https://gateway.example'],
  [...data, '--cert', 'c.pem', '--key', 'k.pem', '--origin', 'gateway.example'],
  [...data, '--node', 'naaaaaaaaaaaaaaaa'],
]
for (const words of unreadable)
  t.test(`a command line that is wrong: gateway run ${words.join(' ')}`, async t => {
    const { setting } = await withGenesis(t)
    const ran = await orama(setting, 'gateway', 'run', ...words)
    t.equal(ran.code, 2, ran.err)
  })
