import t, { type Test } from 'tap'
import { type Cluster, makeCluster, environment } from '../support/cluster.ts'
import { minutes, reboot, report, untilAllAreReady } from '../support/cluster-acts.ts'
import { askGateway, untilServing } from '../support/gateway-port.ts'
import { testImage } from '../support/image.ts'
import { must } from '../support/node.ts'
import { poll } from '../support/poll.ts'

const acts: readonly (readonly [what: string, act: (t: Test, cluster: Cluster) => Promise<void>])[] = [
  ['a joined node that starts again is unlocked by the gateway of the other', unlockJoined],
  ['both lose power: the genesis is unlocked, and by its gateway the other', unlockBoth],
  ['a node leaves: the registry goes on with the one that is left', leaveOne],
]

// Two machines of the ordinary image: the second joins by its own call to the gateway of the first. So few have no
// guardians, and while one of them is closed the registry has no majority: all that still works has to do without.
t.test('a cluster of two nodes', async t => {
  const cluster = await makeCluster(t, { image: await testImage('ordinary'), count: 2, calling: 1 })
  await untilAllAreReady(cluster)
  // Each act begins where the one before has ended.
  for (const [what, act] of acts) if (t.passing()) await t.test(what, t => act(t, cluster))
})

async function unlockJoined(t: Test, cluster: Cluster): Promise<void> {
  const [, second] = pairOf(cluster)
  await reboot(second, {})
  await second.machine.console.waitFor('STATE locked\n', 4 * minutes)
  await unlockByGateway(t, cluster)
  await untilAllAreReady(cluster)
}

async function unlockBoth(t: Test, cluster: Cluster): Promise<void> {
  const [first, second] = pairOf(cluster)
  for (const { machine } of [first, second]) await machine.kill()
  for (const node of [first, second]) {
    node.machine = await node.place.boot()
    await node.machine.console.waitFor('STATE locked\n', 4 * minutes)
  }
  const genesis = ['node', 'unlock', '--genesis', '--node-ip', '10.0.0.1']
  // The operator's tunnel has to find out that the node has started anew.
  await poll({
    ask: () => cluster.orama(...genesis),
    wanted: ({ status }) => status === 0,
    what: `${first.name} to be unlocked`,
    deadlineMs: 2 * minutes,
  })
  await unlockByGateway(t, cluster)
  await untilAllAreReady(cluster)
}

/** By the gateway of the first node, whose registry is away meanwhile. */
async function unlockByGateway(t: Test, cluster: Cluster): Promise<void> {
  const [first, second] = pairOf(cluster)
  const gateway = `https://${first.place.port.address}`
  await untilServing(cluster, gateway, 3 * minutes)
  const statusOf = async (path: string, body?: string) =>
    (await askGateway(cluster, `${gateway}${path}`, body === undefined ? {} : { body })).status
  t.equal(await statusOf('/health'), 503, 'there is no registry')
  t.equal(await statusOf('/v1/node/list'), 401, 'strangers learn nothing of the members')
  t.equal(
    await statusOf(`/v1/node/unlock?node_id=${second.nodeId}`, '{}'),
    400,
    'nor do they unlock anything',
  )
  const unlock = ['node', 'unlock', '--env', environment, '--node', second.nodeId]
  // The two have to find each other first.
  await poll({
    ask: () => cluster.orama(...unlock),
    wanted: ({ status }) => status === 0,
    what: `${second.name} to be unlocked by the gateway of ${first.name}`,
    deadlineMs: 3 * minutes,
    askAgainMs: 3000,
  })
}

async function leaveOne(t: Test, cluster: Cluster): Promise<void> {
  const [first, second] = pairOf(cluster)
  must(await cluster.orama('node', 'leave', '--env', environment, '--node', second.nodeId))
  await second.machine.exited
  const invited = await poll({
    ask: () => cluster.orama('node', 'invite', '--env', environment),
    wanted: ({ status }) => status === 0,
    what: 'the registry to go on with one node',
    deadlineMs: 2 * minutes,
    askAgainMs: 2000,
  })
  t.match(invited.out, /^orama1_/)
  const left = (await report(cluster)).map(one => one.nodeId)
  t.same(left, [first.nodeId])
}

function pairOf({ nodes: [first, second] }: Cluster) {
  if (first === undefined || second === undefined) throw new RangeError('Cannot go on: there are not two')
  return [first, second] as const
}
