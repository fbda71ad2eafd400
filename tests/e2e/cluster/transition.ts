import { minutes } from '../support/cluster-acts.ts'
import { siteOf } from '../support/cluster.ts'
import { judgeHeaderWrites } from '../support/header-writes.ts'
import { escrowOpener } from '../support/wallet-file.ts'
import { type Act, lookForShares } from './six.ts'

export const giveSecrets: Act = async (t, six) => {
  const [first] = six.nodes
  for (const node of six.nodes) {
    const shared = /shares: epoch \d+-\w+: 3 of 5 guardians open this node\n/
    await node.machine.console.waitFor(shared, 10 * minutes)
    t.pass(node.name)
    // At once: one who missed a share gets it by the next epoch, and those of this one are erased.
    if (node === first) await lookForShares(six, six.nodes)
  }
  await lookForShares(six, six.nodes)
}

/** The first node has been off since the act before. */
export const cutTransition: Act = async (t, { cluster, nodes: [first], shares }) => {
  const { recording } = first
  if (recording === undefined) throw new Error('Cannot judge writes: nothing was recorded')
  const openEscrow = await escrowOpener(siteOf(cluster, first))
  const { folder } = cluster
  const { count, named, closed } = await judgeHeaderWrites(recording, { folder, shares, openEscrow })
  t.comment(`${count} states of the header: ${named.join('; ')}`)
  t.same(closed, [])
  t.match(named.join('; '), /^escrow 1; escrow 1, epoch (\S+); epoch \1(;|$)/)
  t.notMatch(named.at(-1), 'escrow')
}
