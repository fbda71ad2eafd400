import { callBy, type ClusterNode } from '../support/cluster.ts'
import { hurryAnd, minutes, reboot, untilAllAreReady } from '../support/cluster-acts.ts'
import { must } from '../support/node.ts'
import { type Act, left, lookForShares } from './six.ts'

export const reportAll: Act = async (t, { cluster, nodes }) => {
  const rows = await untilAllAreReady(cluster)
  t.same(rows.map(row => row.address).toSorted(), nodes.map(node => node.address).toSorted())
  for (const { status } of rows) t.match(status?.shares, { mode: 'shares', threshold: 3, members: 6 })
}

export const readElsewhere: Act = async (t, six) => {
  const { cluster, nodes } = six
  const [first, second] = nodes
  const invite = must(await cluster.orama('node', 'invite', '--env', 'test', '--json'))
  const { tokenHash } = JSON.parse(invite) as { tokenHash: string }
  six.left.inviteHash = tokenHash
  await first.machine.stop()
  await lookForShares(six, nodes)
  await callBy(cluster, second, 'second')
  t.match(must(await cluster.orama('node', 'invites', '--env', 'second', '--json')), tokenHash)
}

/** The first, which has been off, and then each of the others, once the one before it is open. */
export const startAgain: Act = async (t, six) => {
  const { cluster, nodes } = six
  const [first, ...others] = nodes
  const comesBack = async ({ name, machine: { console } }: ClusterNode) => {
    await console.waitFor('STATE waiting-for-peers\n', 3 * minutes)
    await console.waitFor('data mounted', 5 * minutes)
    t.pass(name)
  }
  first.machine = await first.place.boot(hurryAnd())
  await comesBack(first)
  for (const node of others) {
    await reboot(node, hurryAnd())
    await comesBack(node)
  }
  await untilAllAreReady(cluster)
  const invites = must(await cluster.orama('node', 'invites', '--env', 'test', '--json'))
  t.match(invites, left(six, 'inviteHash'), 'its rows are there')
}

export const hold: Act = async (t, { cluster: { orama }, nodes }) => {
  const [, second, third] = nodes
  must(await orama('node', 'hold', second.nodeId, '--env', 'test'))
  for (const { machine } of nodes)
    await machine.console.waitFor(`cluster: ${second.nodeId} is held`, 2 * minutes)
  await reboot(second, hurryAnd())
  const none = /unlock: .*need 3 of 5, 3 missing: .* refused \(held\)/
  await second.machine.console.waitFor(none, 5 * minutes)
  t.notMatch(second.machine.console.text(), 'data mounted')
  const log = await orama('node', 'logs', '--node', third.nodeId, '--env', 'test', '--service', 'guardian')
  t.match(must(log), new RegExp(`release of epoch \\S+ to ${second.nodeId} .*: refused: held`))
  must(await orama('node', 'release', second.nodeId, '--env', 'test'))
  await second.machine.console.waitFor('STATE ready\n', 5 * minutes)
  t.pass('open')
}
