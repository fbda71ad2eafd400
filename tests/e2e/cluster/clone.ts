import { hurryAnd, minutes, untilAllAreReady } from '../support/cluster-acts.ts'
import { makePlace, must } from '../support/node.ts'
import { type Act, left } from './six.ts'

const refused = /unlock: (?:[^\n]* refused \(lease\)){3}/

/** The copy has all that its original has, but not the key on the encrypted data that keeps a lease. */
export const clone: Act = async (t, six) => {
  const { cluster, image, nodes } = six
  const [first, second, , , , sixth] = nodes
  const { folder, network, orama } = cluster
  const place = await makePlace(t, { folder, network, image, name: 'clone' })
  const copy = await place.boot({ ...hurryAnd(), disk: left(six, 'copyOfSixth') })
  await copy.console.waitFor('STATE waiting-for-peers\n', 5 * minutes)
  await copy.console.waitFor(refused, 5 * minutes)
  t.notMatch(copy.console.text(), 'STATE ready')
  const log = must(
    await orama('node', 'logs', '--node', second.nodeId, '--env', 'test', '--service', 'guardian'),
  )
  t.match(log, new RegExp(`release of epoch \\S+ to ${sixth.nodeId} .*: refused: lease`), 'it is reported')
  await copy.kill()
  t.notMatch(copy.console.text(), 'STATE ready')
  await untilAllAreReady(cluster)
  t.notMatch(sixth.machine.console.text(), 'STATE degraded', `${first.name} and its original go on`)
}
