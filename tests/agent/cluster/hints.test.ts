import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type HintsWorld, seekByHints } from '../../../agent/cluster/hints.ts'
import { spreadNews } from '../../../agent/cluster/spread.ts'
import { clusterView } from '../../../agent/cluster/view.ts'
import { newTunnel } from '../../../agent/network/tunnel.ts'
import { membersByTunnel } from '../../../agent/node/hints.ts'
import type { Ask } from '../../../agent/shares/ask.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import type { NewsMessage } from '../../../protocol/cluster/news.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { fakeWireguard } from '../network/fake-wireguard.ts'
import { authority, cluster, genesisRecord, joinRecord, newNode } from '../../protocol/cluster/sample.ts'
import { sampleRecord } from '../unlock/node-samples.ts'
import { virtualTime } from './virtual-time.ts'

const startMs = Date.UTC(2026, 10, 27)
const roundMs = 5000

/** A cluster whose nodes were at 192.0.2.<number> and now are at 198.51.100.<number>: nobody is where records say. */
function movedCluster(t: Test, count: number, named: Readonly<Record<string, number>>) {
  const time = virtualTime(startMs)
  const net = fakeWireguard(time.nowMs)
  const nodes = Array.from({ length: count }, newNode)
  const members = nodes.map((node, at) =>
    at === 0 ? genesisRecord({ node }) : joinRecord({ node, address: `10.0.0.${at + 1}` }),
  )
  const endpointOf = (at: number, number: number, network: string) => {
    const { nodeId, keys } = nodes[at] ?? newNode()
    const endpoint = `${network}.${at + 1}:51820`
    return signEndpoint({ cluster, node: nodeId, number, endpoint }, keys.identity.privateKey)
  }
  const before = nodes.map((_, at) => endpointOf(at, 1, '192.0.2'))
  const log: string[] = []
  const folder = t.testdir(Object.fromEntries(nodes.map(({ nodeId }) => [nodeId, {}])))
  const hints = Object.keys(named).map(name => `${name}:51820`)
  const stopping = new AbortController()

  const started = nodes.map((node, at) => {
    const { wireguard, ...rest } = sampleRecord('00000000-0000-4000-8000-000000000000')
    const record: NodeRecord = {
      ...rest,
      ...{ nodeId: node.nodeId, hello: node.hello, cluster, authority: authority.address, endpoints: before },
      wireguard: { ...wireguard, address: `10.0.0.${at + 1}`, peers: [] },
      membership: { members, departures: [] },
    }
    const view = clusterView(record)
    const host = net.add(node.hello.wireguard, `198.51.100.${at + 1}:51820`)
    const tunnel = newTunnel({
      run: host.run,
      bootTimeMs: time.nowMs,
      nowMs: time.nowMs,
      folder: join(folder, node.nodeId),
    })
    const apply = () =>
      tunnel.apply({ ...record.wireguard, peers: view.peers(), privateKey: Buffer.alloc(32) })
    const ask: Ask = (async (to: string, { body }: { body?: object }) => {
      const other = started.find(one => one.id === to)
      if (other === undefined || !net.isConnected(host, other.host)) throw new Error('no route')
      return structuredClone(await other.spread.answer(structuredClone(body) as NewsMessage, node.nodeId))
    }) as Ask
    const spread = spreadNews({
      ...{ view, own: node.nodeId, ask, onChange: apply, log: () => undefined, random: () => 0 },
    })
    return { id: node.nodeId, record, view, host, tunnel, apply, spread }
  })

  const run = async (one: (typeof started)[number], at: number, byHints: readonly string[]) => {
    await one.view.hear({ membership: noMembers, endpoints: [endpointOf(at, 2, '198.51.100')] })
    await one.apply()
    const world: HintsWorld = {
      ...membersByTunnel({ ...one, machine: { address: `198.51.100.${at + 1}` } }),
      restore: one.apply,
      resolve: host => Promise.resolve([`198.51.100.${(named[host] ?? 0) + 1}`]),
      pause: time.pause,
      log: line => void log.push(`${at}: ${line}`),
    }
    const spreadLoop = async () => {
      for (;;) {
        await one.spread.round()
        await time.pause(roundMs)
      }
    }
    await Promise.all([spreadLoop(), seekByHints(byHints, world, stopping.signal)])
  }
  t.teardown(() => {
    time.stop()
  })
  return {
    log,
    start: (byHints = hints) => {
      for (const [at, one] of started.entries()) void run(one, at, byHints).catch(() => undefined)
    },
    pass: (ms: number) => time.pass(ms, started.length * 2),
    /** What each knows of where the others are. */
    known: () =>
      started.map(({ view }) =>
        view
          .news()
          .endpoints.map(one => one.endpoint)
          .toSorted(),
      ),
    connected: () =>
      started.map(({ host }) => started.filter(other => net.isConnected(host, other.host)).length),
    all: nodes.map((_, at) => `198.51.100.${at + 1}:51820`).toSorted(),
  }
}

t.test('six nodes that all have moved find each other, where two are known by names', async t => {
  const { start, pass, known, connected, all } = movedCluster(t, 6, { 'b.example': 1, 'c.example': 2 })
  start()
  await pass(120_000)
  for (const one of known()) t.same(one, all)
  t.same(connected(), Array(6).fill(5))
})

t.test('one name is enough, also where the other belongs to a stranger', async t => {
  const { start, pass, known, connected, all } = movedCluster(t, 4, { 'gone.example': 200, 'd.example': 3 })
  start()
  await pass(120_000)
  for (const one of known()) t.same(one, all)
  t.same(connected(), Array(4).fill(3))
})

t.test('without hints they do not', async t => {
  const { start, pass, connected } = movedCluster(t, 4, { 'b.example': 1 })
  start([])
  await pass(600_000)
  t.same(connected(), Array(4).fill(0))
})

/** One node whose members and names are what a test says; stops after so many pauses. */
async function seek(hints: readonly string[], pauses: number, play: Partial<HintsWorld> = {}) {
  const [did, log, slept]: [string[], string[], number[]] = [[], [], []]
  const stopping = new AbortController()
  const world: HintsWorld = {
    silent: () => Promise.resolve(['n1']),
    aim: endpoint => Promise.resolve((did.push(endpoint), ['n1'])),
    restore: () => Promise.resolve(void did.push('restore')),
    resolve: host => Promise.resolve([host]),
    isUsable: () => true,
    log: line => void log.push(line),
    ...play,
    pause: ms => {
      slept.push(ms)
      return slept.length > pauses ? Promise.reject(new Error('stopped')) : Promise.resolve()
    },
  }
  await seekByHints(hints, world, stopping.signal).catch(() => undefined)
  return { did, log, slept }
}

t.test(
  'each hint is tried for ten seconds, then members are sent back to where they say they are',
  async t => {
    const { did, slept } = await seek(['192.0.2.1:1', '192.0.2.2:2'], 3)
    t.same(did, ['192.0.2.1:1', '192.0.2.2:2', 'restore'])
    t.same(slept, [10_000, 10_000, 10_000, 30_000])
  },
)

t.test('while all answer nothing is tried, and names are looked up every ten minutes', async t => {
  const asked: string[] = []
  const resolve = (host: string) => Promise.resolve((asked.push(host), [host]))
  const { did, slept } = await seek(['192.0.2.1:1'], 41, { silent: () => Promise.resolve([]), resolve })
  t.same(did, [])
  t.same(asked.length, 3)
  t.equal(slept[1], 30_000)
})

t.test('a name that cannot be found any more counts as it was, and is in the log once', async t => {
  let lookUps = 0
  const resolve = () =>
    (lookUps += 1) === 1 ? Promise.resolve(['192.0.2.1']) : Promise.reject(new Error('SERVFAIL'))
  const { did, log } = await seek(['b.example:1'], 8, { resolve })
  t.same(did.slice(0, 6), ['192.0.2.1:1', 'restore', '192.0.2.1:1', 'restore', '192.0.2.1:1', 'restore'])
  t.same(log, ['hints: b.example cannot be found: SERVFAIL'])
})

t.test('who answered is named, and the rest of the hints is left alone once nobody is silent', async t => {
  const rounds = [['n1', 'n2'], ['n2'], []]
  let at = 0
  const silent = () => Promise.resolve(rounds[Math.min(at, 2)] ?? [])
  const aim = () => silent()
  const pauseless = {
    silent,
    aim: async () => {
      const sent = await aim()
      at += 1
      return sent
    },
  }
  const { log, did } = await seek(['192.0.2.1:1', '192.0.2.2:2', '192.0.2.3:3'], 3, pauseless)
  t.same(log, [
    'hints: n1 answered while 192.0.2.1:1 was tried',
    'hints: n2 answered while 192.0.2.2:2 was tried',
  ])
  t.same(did, [])
})

t.test('names with many addresses are tried at 32 in all, and at none that is unusable', async t => {
  const resolve = () => Promise.resolve(['192.0.2.1', '192.0.2.2', '10.0.0.5'])
  const isUsable = (address: string) => address !== '10.0.0.5'
  const hints = Array.from({ length: 32 }, (_, at) => `h${at}.example:${at + 1}`)
  const { did } = await seek(hints, 33, { resolve, isUsable })
  t.same(did.length, 33)
  t.notOk(did.some(one => one.startsWith('10.')))
})

t.test('a node tries neither itself nor an address of the cluster', async t => {
  const record = { ...sampleRecord('00000000-0000-4000-8000-000000000000') }
  const tunnel = { silent: () => Promise.resolve([]), aim: () => Promise.resolve([]) }
  const of = { record, view: { peers: () => [] }, tunnel, machine: { address: '192.0.2.7' } }
  const { isUsable } = membersByTunnel(of)
  t.same(
    [isUsable('192.0.2.7', 51_820), isUsable('192.0.2.7', 51_821), isUsable('10.0.0.9', 51_820)],
    [false, true, false],
  )
})
