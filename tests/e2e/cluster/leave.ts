import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../../agent/system/run.ts'
import { withHeader } from '../../../agent/unlock/header-file.ts'
import { readNodeToken } from '../../../agent/unlock/tokens.ts'
import { isWrongSecret, tryOpen } from '../../../agent/unlock/volume.ts'
import type { Epoch } from '../../../protocol/shares/epoch.ts'
import { combineShares } from '../../../protocol/shares/split.ts'
import { hurryAnd, minutes, reboot, report } from '../support/cluster-acts.ts'
import { type Header, parseHeader } from '../support/header.ts'
import { judgeHeaderWrites } from '../support/header-writes.ts'
import { headerOn, wholeHeaderOn } from '../support/held-shares.ts'
import { must } from '../support/node.ts'
import { poll } from '../support/poll.ts'
import { type Act, left, lookForShares, type Six } from './six.ts'

export const leave: Act = async (t, six) => {
  const { cluster, nodes } = six
  const [first, second, third, fourth, fifth, sixth] = nodes
  // Of the four guardians that will be left, three have to be honest.
  for (const node of [second, third]) await reboot(node, hurryAnd())
  for (const { machine } of [second, third]) await machine.console.waitFor('STATE ready\n', 8 * minutes)
  must(await cluster.orama('node', 'leave', '--node', sixth.nodeId, '--env', 'test'))
  await sixth.machine.exited
  const header = await headerOn(sixth.place.disk, cluster.folder)
  t.notOk(header.includes('LUKS'), 'no header is left')
  t.notOk(header.includes(sixth.nodeId))

  const others = [first, second, third, fourth, fifth]
  const erased = `the shares of ${sixth.nodeId}, who is no member any more, are erased`
  const shared = /shares: epoch \d+-\w+: 3 of 4 guardians open this node\n/
  for (const { name, machine } of others) {
    await machine.console.waitFor(erased, 8 * minutes)
    await machine.console.waitFor(shared, 8 * minutes)
    t.pass(name)
  }
  for (const node of others) {
    const status = ['node', 'status', '--node', node.nodeId, '--env', 'test', '--json']
    // A peer it is for two minutes, whose vote the registry might need.
    await poll({
      ask: async () => must(await cluster.orama(...status)),
      wanted: said => !said.includes(sixth.nodeId),
      what: `${sixth.name} to be neither peer nor guardian of ${node.name}`,
      deadlineMs: 3 * minutes,
      askAgainMs: 2000,
    })
  }
  const after = await report(cluster)
  t.same(after.map(row => row.nodeId).toSorted(), others.map(node => node.nodeId).toSorted())
  await fifth.machine.stop()
  await lookForShares(six, others)
}

/** The fifth node has been off since the act before. */
export const shareOld: Act = async (t, six) => {
  const { cluster, nodes, shares } = six
  const [first, second, third, fourth, fifth] = nodes
  const writes = left(six, 'writesOfFifth')
  const { folder } = cluster
  const { count, named, closed } = await judgeHeaderWrites(writes, { folder, shares })
  t.comment(`${count} states of the header: ${named.join('; ')}`)
  t.same(closed, [])
  t.match(named.join('; '), /epoch (\S+); epoch \1, epoch (\S+); epoch \2(;|$)/)
  await t.test('shares of two epochs make no secret, and each header opens with its own', async t =>
    compare(t, six, { before: writes.before, after: await wholeHeaderOn(fifth.place.disk, folder) }),
  )

  await reboot(first, hurryAnd())
  const { console } = first.machine
  const waiting = await console.waitFor(/unlock: .*need 3 of 4, 1 missing: (.*)\n/, 8 * minutes)
  t.match(waiting.groups[0], `${fourth.nodeId} gave a wrong share`)
  t.match(waiting.groups[0], `${fifth.nodeId} no answer`)
  for (const { nodeId } of [second, third]) t.match(waiting.groups[0], `${nodeId} good`)
  fifth.machine = await fifth.place.boot(hurryAnd())
  for (const { machine } of [first, fifth]) await machine.console.waitFor('STATE ready\n', 8 * minutes)
}

type Headers = { readonly before: Header; readonly after: Header }

const compare = async (t: Parameters<Act>[0], six: Six, { before, after }: Headers) => {
  const { shares, cluster } = six
  const [old, now] = [waysOf(before), waysOf(after)]
  const [mine, theirs] = [shares.of(old.node, old.epoch), shares.of(now.node, now.epoch)]
  await t.rejects(combineShares([...mine.slice(0, 2), ...theirs.slice(-1)]), RangeError)
  await t.rejects(combineShares([...mine.slice(0, 1), ...theirs.slice(-2)]), RangeError)
  const secrets = {
    old: await shares.secret(old.node, old.epoch),
    now: await shares.secret(now.node, now.epoch),
  }
  const opens = async (header: Header, secret: Buffer) => {
    const device = join(cluster.folder, 'compared.img')
    await writeFile(device, header)
    return withHeader(device, `${device}.header`, ({ file }) =>
      tryOpen(run, { device, headerFile: file, secret }),
    )
  }
  await t.resolves(opens(before, secrets.old))
  await t.resolves(opens(after, secrets.now))
  t.ok(await opens(before, secrets.now).catch(isWrongSecret), 'an old disk, new shares')
  t.ok(await opens(after, secrets.old).catch(isWrongSecret), 'the disk, old shares')
}

function waysOf(header: Header): { readonly node: string; readonly epoch: Epoch } {
  const { nodeId, openings } = readNodeToken(parseHeader(header)).record
  if (openings.current.kind !== 'shares' || openings.next !== undefined)
    throw new Error('Cannot compare: a header names no epoch, or two')
  return { node: nodeId, epoch: openings.current.epoch }
}
