import { hurryAnd, minutes, reboot } from '../support/cluster-acts.ts'
import { poll } from '../support/poll.ts'
import { type Act, lookForShares } from './six.ts'

/** The third guardian returns, and the fourth: one gives half a share, the other none. The fifth opens the node. */
export const fewGuardians: Act = async (t, six) => {
  const { cluster, nodes } = six
  const [first, second, third, ...off] = nodes
  const [fourth, fifth, sixth] = off
  for (const { machine } of off) await machine.kill()
  await lookForShares(six, off)
  await reboot(first, hurryAnd())
  const short = /unlock: .*need 3 of 5, 1 missing: (.*)\n/
  const waiting = await first.machine.console.waitFor(short, 8 * minutes)
  for (const { nodeId } of off) t.match(waiting.groups[0], `${nodeId} no answer`)
  for (const { nodeId } of [second, third]) t.match(waiting.groups[0], `${nodeId} good`)
  // The operator's tunnel has to find out that the node has started anew.
  const said = await poll({
    ask: () => cluster.orama('node', 'status', '--node-ip', '10.0.0.1'),
    wanted: ({ status }) => status === 0,
    what: `${first.name} to say what it waits for`,
    deadlineMs: 2 * minutes,
  })
  t.match(said.out, fourth.nodeId)

  // A guardian gives shares before its own disk is open; these two are opened by those that are up.
  fourth.machine = await fourth.place.boot(hurryAnd('short@share'))
  fifth.machine = await fifth.place.boot(hurryAnd('none@share'))
  const { console } = first.machine
  await console.waitFor(new RegExp(`unlock: .*${fourth.nodeId} gave a wrong share`), 8 * minutes)
  await console.waitFor(new RegExp(`unlock: .*${fifth.nodeId} refused \\(no-share\\)`), 8 * minutes)
  t.notMatch(console.text(), 'STATE ready')
  sixth.machine = await sixth.place.boot(hurryAnd())
  for (const { name, machine } of [first, ...off]) {
    await machine.console.waitFor('STATE ready\n', 8 * minutes)
    t.pass(name)
  }
  t.notMatch(
    console.text(),
    new RegExp(`unlock: .*missing: .*${sixth.nodeId} good`),
    'its first share opens the node',
  )
}
