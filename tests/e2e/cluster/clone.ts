import { hurryAnd, minutes, untilAllAreReady } from '../support/cluster-acts.ts'
import { makePlace, must } from '../support/node.ts'
import { type Act, left } from './six.ts'

const refused = /unlock: [^\n]*?(\w+) refused \(lease\)/

/**
 * The copy has all that its original has, but not the key on the encrypted data that keeps a lease. It has the same key
 * for WireGuard: a guardian's answer goes to whichever of the two spoke last, so that some only seem to be away.
 */
export const clone: Act = async (t, six) => {
  const { cluster, image, nodes } = six
  const [first, , , , , sixth] = nodes
  const { folder, network, orama } = cluster
  const place = await makePlace(t, { folder, network, image, name: 'clone' })
  const copy = await place.boot({ ...hurryAnd(), disk: left(six, 'copyOfSixth') })
  await copy.console.waitFor('STATE waiting-for-peers\n', 5 * minutes)
  const refusal = await copy.console.waitFor(refused, 10 * minutes)
  const guardian = refusal.groups[0] ?? ''
  const log = must(await orama('node', 'logs', '--node', guardian, '--env', 'test', '--service', 'guardian'))
  t.match(log, new RegExp(`release of epoch \\S+ to ${sixth.nodeId} .*: refused: lease`), 'it is reported')
  await sixth.machine.console.waitFor(/this node's key that it is at .*: somebody runs a copy\n/, 5 * minutes)
  await copy.kill()
  t.notMatch(copy.console.text(), /data mounted|STATE ready/)
  await untilAllAreReady(cluster)
  t.notMatch(sixth.machine.console.text(), 'STATE degraded', `${first.name} and its original go on`)
}
