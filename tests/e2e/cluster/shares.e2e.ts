import t from 'tap'
import { makeCluster } from '../support/cluster.ts'
import { testImage } from '../support/image.ts'

const minutes = 60_000

// Six machines: the first is enrolled as genesis, the others join; then all give their secrets to each other.
t.test('a cluster of six nodes', async t => {
  const boot = { fwCfg: { 'opt/orama/fault': 'hurry@shares' } }
  const { nodes } = await makeCluster(t, { image: await testImage('cluster'), count: 6, calling: 3, boot })

  await t.test('every node gives its secret to the five others, and its escrow goes', async t => {
    for (const { name, machine } of nodes) {
      await machine.console.waitFor(/shares: epoch \d+-\w+: 3 of 5 guardians open this node\n/, 10 * minutes)
      t.pass(name)
    }
  })

  await t.test('a node that starts again is opened by the others, with nobody at a keyboard', async t => {
    const [first] = nodes
    if (first === undefined) return
    await first.machine.stop()
    first.machine = await first.place.boot(boot)
    await first.machine.console.waitFor('STATE waiting-for-peers\n', 3 * minutes)
    await first.machine.console.waitFor('STATE ready\n', 5 * minutes)
    t.pass('open')
  })

  await t.test('all of them lose power at once, and come back alone', async t => {
    for (const { machine } of nodes) await machine.kill()
    for (const node of nodes) node.machine = await node.place.boot(boot)
    for (const { name, machine } of nodes) {
      await machine.console.waitFor('STATE ready\n', 10 * minutes)
      t.pass(name)
    }
  })
})
