import { join } from 'node:path'
import t from 'tap'
import { makeRawCopy } from '../../../qemu/disk.ts'
import { addEnvironment, type Cluster, type ClusterNode, makeCluster } from '../support/cluster.ts'
import { move, reboot, report, untilAllAreReady } from '../support/cluster-acts.ts'
import { testImage } from '../support/image.ts'
import { must } from '../support/node.ts'
import { takeHeader } from '../support/header.ts'

const minutes = 60_000
const hurryAnd = (fault?: string) => ({
  fwCfg: { 'opt/orama/fault': ['hurry@shares', fault].filter(Boolean).join(',') },
})
const boot = hurryAnd()

// Six machines: the first is enrolled as genesis, the others join by invites, three of them by their own call to its
// gateway. Then all give their secrets to each other, and from there on nobody is at a keyboard.
t.test('a cluster of six nodes', async t => {
  const image = await testImage('cluster')
  const cluster = await makeCluster(t, { image, count: 6, calling: 3, boot })
  const { nodes, orama } = cluster
  const [first, second, third, , , sixth] = nodes as Six

  await t.test('every node gives its secret to the five others, and its escrow goes', async t => {
    for (const { name, machine } of nodes) {
      await machine.console.waitFor(/shares: epoch \d+-\w+: 3 of 5 guardians open this node\n/, 10 * minutes)
      t.pass(name)
    }
  })

  await t.test('one report has all of them', async t => {
    const rows = await untilAllAreReady(cluster)
    t.same(rows.map(row => row.address).toSorted(), nodes.map(node => node.address).toSorted())
    for (const { status } of rows) t.match(status?.shares, { mode: 'shares', threshold: 3, members: 6 })
  })

  await t.test('what was written at one gateway is read at another when the first is off', async t => {
    const invite = must(await orama('node', 'invite', '--env', 'test', '--json'))
    await first.machine.stop()
    await addEnvironment(cluster, second, 'second')
    const list = must(await orama('node', 'invites', '--env', 'second', '--json'))
    const { tokenHash } = JSON.parse(invite) as { tokenHash: string }
    t.match(list, tokenHash)
  })

  await t.test('a node that starts again is opened by the others, with nobody at a keyboard', async t => {
    first.machine = await first.place.boot(boot)
    await first.machine.console.waitFor('STATE waiting-for-peers\n', 3 * minutes)
    await first.machine.console.waitFor('STATE ready\n', 5 * minutes)
    await untilAllAreReady(cluster)
    t.pass('open')
  })

  await t.test('a held node stays closed, and opens when it is released', async t => {
    must(await orama('node', 'hold', second.nodeId, '--env', 'test'))
    for (const { machine } of nodes)
      await machine.console.waitFor(`cluster: ${second.nodeId} is held`, 2 * minutes)
    await reboot(second, boot)
    await second.machine.console.waitFor(/unlock: .* refused \(held\)/, 5 * minutes)
    must(await orama('node', 'release', second.nodeId, '--env', 'test'))
    await second.machine.console.waitFor('STATE ready\n', 5 * minutes)
    t.pass('open')
  })

  await t.test('with one guardian too few a node waits and says for whom; the next one opens it', async t => {
    const [off, on] = [nodes.slice(3), nodes.slice(1, 3)]
    for (const { machine } of off) await machine.kill()
    await reboot(first, boot)
    const waiting = await first.machine.console.waitFor(
      /unlock: .*need 3 of 5, 1 missing: (.*)\n/,
      8 * minutes,
    )
    for (const { nodeId } of off) t.match(waiting.groups[0], `${nodeId} no answer`)
    for (const { nodeId } of on) t.match(waiting.groups[0], `${nodeId} good`)
    t.match(must(await orama('node', 'status', '--node-ip', '10.0.0.1')), off[0]?.nodeId ?? 'nobody')
    // A guardian gives shares before its own disk is open.
    for (const node of off) node.machine = await node.place.boot(boot)
    await first.machine.console.waitFor('STATE ready\n', 8 * minutes)
    for (const { machine } of off) await machine.console.waitFor('STATE ready\n', 8 * minutes)
  })

  await t.test(
    'all lose power at once, find other addresses, and two guardians lie: all come back',
    async t => {
      for (const { machine } of nodes) await machine.kill()
      await move(cluster)
      const faults = new Map([
        [second, 'wrong@share'],
        [third, 'stall@share'],
      ])
      for (const node of nodes) node.machine = await node.place.boot(hurryAnd(faults.get(node)))
      for (const { name, machine } of nodes) {
        await machine.console.waitFor('STATE ready\n', 10 * minutes)
        t.pass(name)
      }
      const consoles = nodes.map(({ machine }) => machine.console.text())
      t.ok(
        consoles.some(text => text.includes(`${second.nodeId} gave a wrong share`)),
        'the liar is named',
      )
      t.notOk(consoles.some(text => text.includes(`${third.nodeId} good`)))
      await untilAllAreReady(cluster)
    },
  )

  await t.test('a node that leaves is forgotten, and its disk is noise', async t => {
    const before = await report(cluster)
    t.equal(before.length, 6)
    must(await orama('node', 'leave', '--node', sixth.nodeId, '--env', 'test'))
    await sixth.machine.exited
    const copy = join(cluster.folder, 'left.img')
    const header = await takeHeader(await makeRawCopy(sixth.place.disk, copy))
    t.notOk(header.includes('LUKS'), 'no header is left')
    t.notOk(header.includes(sixth.nodeId))
    const after = await report(cluster)
    t.same(
      after.map(row => row.nodeId).toSorted(),
      nodes.flatMap(node => (node === sixth ? [] : [node.nodeId])).toSorted(),
    )
  })
})

type Six = [ClusterNode, ClusterNode, ClusterNode, ClusterNode, ClusterNode, ClusterNode] & Cluster['nodes']
