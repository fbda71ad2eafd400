import t from 'tap'
import { sharesStatus } from '../../../agent/node/share-status.ts'
import { whereabouts } from '../../../agent/node/whereabouts.ts'
import { composeEviction, evicted } from '../../../protocol/cluster/departure.ts'
import { type EndpointRecord, signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { authority, cluster, signedBy } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'

const startMs = Date.parse('2026-11-27T08:00:00Z')
const [here, there, elsewhere] = ['192.0.2.9', '192.0.2.10', '192.0.2.66']
const copied = /^cluster: another machine says with this node's key that it is at 192\.0\.2\.66:51820/

type Side = ReturnType<typeof memberNode>

/** A node, the first of two members, at a clock that the test turns on; `run` is what its next rounds say in the log. */
function setUp(address = here, { node, nodes }: Pick<Side, 'node' | 'nodes'> = memberNode(2)) {
  const [own] = nodes
  const clock = { ms: 0 }
  const lines: string[] = []
  node.machine.address = address
  const start = () =>
    whereabouts(node, {
      nowMs: () => clock.ms,
      now: () => new Date(startMs + clock.ms),
      log: line => lines.push(line),
    })
  let round = start()
  const run = async (rounds = 1) => {
    for (let at = 0; at < rounds; at++) {
      await round()
      clock.ms += 5000
    }
    return lines.splice(0)
  }
  const known = () => node.view.news().endpoints.find(one => one.node === node.record.nodeId)
  const hear = (...endpoints: EndpointRecord[]) => node.view.hear({ membership: noMembers, endpoints })
  /** As a machine says it that has this node's key. */
  const signed = (number: number, host = elsewhere) =>
    signEndpoint(
      { cluster, node: node.record.nodeId, number, endpoint: `${host}:51820` },
      own?.keys.identity.privateKey ?? Buffer.alloc(32),
    )
  const restart = () => {
    round = start()
  }
  return { node, nodes, clock, run, known, hear, signed, restart }
}

t.test('a node says where it is when it starts, and then not again', async t => {
  const { node, run, known } = setUp()
  t.same(await run(3), ['cluster: this node is at 192.0.2.9:51820'])
  t.match(known(), { endpoint: `${here}:51820`, number: startMs })
  t.equal(node.copy, undefined)
})

t.test('without an address it says nothing, whatever others say', async t => {
  const { node, run, known, hear, signed } = setUp()
  node.machine.address = undefined
  await hear(signed(5))
  t.same(await run(2), [])
  t.equal(known()?.number, 5)
})

t.test('a new address is said at once', async t => {
  const { node, run, known } = setUp()
  await run()
  node.machine.address = there
  t.same(await run(3), ['cluster: this node is at 192.0.2.10:51820'])
  t.match(known(), { endpoint: `${there}:51820`, number: startMs + 5000 })
  t.equal(node.copy, undefined)
})

t.test('a copy that says it is elsewhere is contradicted with a higher number, and named', async t => {
  const { node, run, known, hear, signed } = setUp()
  await run()
  const number = startMs + 9e9
  t.equal((await hear(signed(number))).changed, true, 'others take it, as this view does')
  const [line, ...more] = await run()
  t.match(line, copied)
  t.same(more, ['cluster: this node is at 192.0.2.9:51820'])
  t.match(known(), { endpoint: `${here}:51820`, number: number + 1 })
  t.match(sharesStatus(node).trouble, [
    /with this node's key at 2026-11-27T08:00:05Z that it is at 192\.0\.2\.66:51820: somebody runs a copy$/,
  ])
})

t.test('a copy is named also where the node had nothing to say since it started', async t => {
  const { run, hear, signed, restart } = setUp()
  await run()
  restart()
  t.same(await run(), [])
  await hear(signed(startMs + 9e9))
  t.match(await run(), [copied, 'cluster: this node is at 192.0.2.9:51820'])
})

t.test('a copy is contradicted once a minute, however often it speaks', async t => {
  const { run, known, hear, signed } = setUp()
  await run()
  const lines: string[] = []
  for (let round = 0; round < 36; round++) {
    await hear(signed((known()?.number ?? 0) + 1))
    lines.push(...(await run()))
  }
  const spoken = lines.filter(line => line === 'cluster: this node is at 192.0.2.9:51820')
  t.same([spoken.length, lines.filter(line => copied.test(line)).length, lines.length], [3, 3, 6])
})

t.test('who moves meanwhile says so at once', async t => {
  const { node, run, known, hear, signed } = setUp()
  await run()
  await hear(signed(startMs + 9e9))
  await run()
  await hear(signed(startMs + 9e9 + 2))
  node.machine.address = there
  await run()
  t.equal(known()?.endpoint, `${there}:51820`)
})

t.test('two machines with one key do not fight in a tight loop, and each is heard', async t => {
  const original = setUp()
  const { node, nodes } = original
  const copy = setUp(elsewhere, { node: { ...node, machine: { ...node.machine } }, nodes })
  const spoken: (string | undefined)[] = []
  // The clock of the copy is ahead.
  copy.clock.ms = 3_600_000
  for (let round = 0; round < 120; round++)
    for (const side of [original, copy])
      for (const line of await side.run()) if (!line.includes('another machine')) spoken.push(line)
  t.ok(spoken.length >= 18 && spoken.length <= 23, `${spoken.length} in ten minutes`)
  t.equal(new Set(spoken).size, 2)
})

type Set = ReturnType<typeof setUp>
const harmless: readonly (readonly [string, (set: Set) => Promise<unknown>])[] = [
  [
    'what it said before it started',
    async ({ hear, signed, restart }) => {
      await hear(signed(startMs + 9e9))
      restart()
    },
  ],
  ['a record that is older', ({ hear, signed }) => hear(signed(5))],
  ['a newer record with its own address', ({ hear, signed }) => hear(signed(startMs + 9e9, here))],
  ['one that it did not sign', ({ hear, signed }) => hear({ ...signed(5), number: startMs + 9e9 })],
  [
    'that another node is elsewhere',
    ({ nodes, hear }) => {
      const { nodeId: node = '', keys } = nodes[1] ?? {}
      const facts = { cluster, node, number: 1, endpoint: `${elsewhere}:51820` }
      return hear(signEndpoint(facts, keys?.identity.privateKey ?? Buffer.alloc(32)))
    },
  ],
]
for (const [what, act] of harmless)
  t.test(`no copy is reported for ${what}`, async t => {
    const set = setUp()
    await set.run()
    await act(set)
    t.notMatch((await set.run(3)).join('\n'), 'another machine')
    t.same([set.known()?.endpoint, set.node.copy], [`${here}:51820`, undefined])
  })

t.test(
  'where the copy has used up the numbers, that is said once a minute, and the rounds go on',
  async t => {
    const { node, run, hear, signed, restart } = setUp()
    await run()
    await hear(signed(Number.MAX_SAFE_INTEGER))
    const lines = [...(await run(12)), 'a minute later', ...(await run(12))]
    const both = [copied, /^cluster: no number is left to say that this node is at 192\.0\.2\.9:51820/]
    t.match(lines, [...both, 'a minute later', ...both])
    t.equal(lines.length, 5)
    restart()
    const after = await run(12)
    t.match(after, both, 'no node says it of itself, so it is known after a restart too')
    t.equal(after.length, 2)
    t.match(node.copy, { endpoint: `${elsewhere}:51820` })
  },
)

t.test('a node that was evicted, whose word nobody takes, says it once', async t => {
  const { node, run, known } = setUp()
  const { nodeId } = node.record
  const text = composeEviction({ cluster, node: nodeId, force: 'yes', issued: '2026-11-27T08:00:00Z' })
  const departures = [evicted(nodeId, signedBy(authority, text))]
  await node.view.hear({ membership: { ...noMembers, departures }, endpoints: [] })
  t.same(await run(24), ['cluster: this node is at 192.0.2.9:51820'])
  t.equal(known(), undefined)
})
