import { join } from 'node:path'
import { makeRawCopy } from '../../../qemu/disk.ts'
import { hurryAnd, minutes, move, untilAllAreReady } from '../support/cluster-acts.ts'
import { callBy, environment } from '../support/cluster.ts'
import { takeHeader } from '../support/header.ts'
import { recordHeader } from '../support/header-writes.ts'
import { poll } from '../support/poll.ts'
import { type Act, left, lookForShares, type Six } from './six.ts'

export const powerCut: Act = async (t, six) => {
  const { cluster, nodes } = six
  const [first, second, third, fourth, fifth] = nodes
  for (const { machine } of nodes) await machine.kill()
  await lookForShares(six, nodes)
  await copyDisks(six)
  await move(cluster)
  const faults = new Map([
    [second, 'wrong@share'],
    [third, 'stall@share'],
    // Its lie comes once there is a newer epoch.
    [fourth, 'old@share'],
  ])
  const { disk } = left(six, 'writesOfFifth')
  for (const node of nodes) {
    const boot = hurryAnd(faults.get(node))
    node.machine = await node.place.boot(node === fifth ? { ...boot, disk } : boot)
  }
  for (const { name, machine } of nodes) {
    await machine.console.waitFor('STATE ready\n', 15 * minutes)
    t.pass(name)
  }
  const consoles = nodes.map(({ machine }) => machine.console.text())
  t.ok(
    consoles.some(text => text.includes(`${second.nodeId} gave a wrong share`)),
    'the liar is named',
  )
  t.notOk(consoles.some(text => text.includes(`${third.nodeId} good`)))
  // Whose share it is, and that it keeps one waiting: the others open the node before its time is up.
  const silent = new RegExp(`unlock: .*${third.nodeId} (no answer|not waited for \\(silent for)`)
  for (const { name, nodeId, machine } of nodes)
    if (nodeId !== third.nodeId) t.match(machine.console.text(), silent, `${name} names who stalls`)
  // Where the gateways are now, an operator has to say: the certificate is the same.
  await callBy(cluster, first, environment)
  await callBy(cluster, second, 'second')
  await untilAllAreReady(cluster)
  // Registry and gateways of six machines that have just started take their time.
  const { out } = await poll({
    ask: () => cluster.orama('node', 'invites', '--env', 'second', '--json'),
    wanted: ({ status }) => status === 0,
    what: `the gateway of ${second.name} to answer`,
    deadlineMs: 3 * minutes,
  })
  t.match(out, left(six, 'inviteHash'), 'the rows are there')
}

/** While all are off: a copy of one disk, and of another what its machine will write. */
async function copyDisks({ cluster: { folder }, nodes, left }: Six): Promise<void> {
  const [, , , , fifth, sixth] = nodes
  left.copyOfSixth = await makeRawCopy(sixth.place.disk, join(folder, 'copy-of-sixth.img'))
  const recording = await recordHeader(fifth.place.disk, join(folder, 'fifth'))
  left.writesOfFifth = { ...recording, before: await takeHeader(recording.base) }
}
