import { hurryAnd } from '../tests/e2e/support/cluster-acts.ts'
import { makeCluster } from '../tests/e2e/support/cluster.ts'
import { testImage } from '../tests/e2e/support/image.ts'
import { benchStack } from './bench-stack.ts'
import { median } from './median.ts'
import { peerUnlockRatio } from './stamps.ts'
import type { Values } from './table.ts'

const minuteMs = 60_000
const boots = 3

/** Figures of a cluster of six machines: one of them starts again and again, and the five others open it. */
export async function clusterFigures(): Promise<Values> {
  await using stack = new AsyncDisposableStack()
  const [image, callingImage] = [await testImage('cluster'), await testImage('lean')]
  // In a test build guardians are given their shares within seconds of a join, and not within ten minutes.
  const boot = hurryAnd()
  const { nodes } = await makeCluster(benchStack(stack), { image, callingImage, count: 6, calling: 3, boot })
  const node = nodes.at(-1)
  if (node === undefined) throw new RangeError('Cannot measure a cluster of no nodes')
  const shared = /shares: epoch \d+-\w+: 3 of 5 guardians open this node\n/
  for (const { machine } of nodes) await machine.console.waitFor(shared, 10 * minuteMs)
  const all: number[] = []
  for (let restart = 1; restart <= boots; restart++) {
    // In order, so that its guardians need not wait for its lease to end.
    await node.machine.stop()
    node.machine = await node.place.boot(boot)
    all.push(await peerUnlockRatio(node.machine.console, 5 * minuteMs))
    await node.machine.console.waitFor('STATE ready\n', 5 * minuteMs)
  }
  return { peer_unlock_ratio: median(all) }
}
