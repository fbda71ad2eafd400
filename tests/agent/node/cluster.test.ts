import t from 'tap'
import { neededOf } from '../../../agent/node/cluster.ts'
import { signLeaving } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { formatTime } from '../../../protocol/fields.ts'
import type { Openings } from '../../../protocol/shares/opening.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import { cluster } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'

const at = formatTime(new Date())

function sharedWith(nodes: readonly string[]): Openings {
  const holders = nodes.map((node, index) => ({
    ...{ node, x: index + 1, salt: 'A'.repeat(22), hash: 'A'.repeat(43) },
  }))
  return {
    current: { kind: 'shares', keyslot: 1, epoch: { ...newEpochId(1), threshold: 3, made: at, holders } },
  }
}

const care = (isChanging: boolean) => {
  const unused = () => Promise.reject(new Error('not asked for'))
  return {
    isChanging: () => isChanging,
    trouble: () => undefined,
    goodbye: unused,
    takeBack: unused,
    renew: unused,
  }
}

t.test('who leaves stays a peer until it has been told to erase its share', async t => {
  const { node, nodes } = memberNode(6)
  const [, leaver, ...others] = nodes
  if (leaver === undefined) throw new Error('Cannot test: nobody leaves')
  const ids = others.map(one => one.nodeId)
  const of = (holders: readonly string[], isChanging: boolean) =>
    neededOf({
      view: node.view,
      record: { ...node.record, openings: sharedWith(holders) },
      care: care(isChanging),
    })
  t.same(of([leaver.nodeId, ...ids], true), [], 'nobody leaves yet')
  const facts = { cluster, node: leaver.nodeId, at }
  const departures = [signLeaving(facts, leaver.keys.lease.privateKey)]
  await node.view.hear({ membership: { ...noMembers, departures }, endpoints: [] })
  t.same(of([leaver.nodeId, ...ids], false), [leaver.nodeId], 'it has a share')
  t.same(of(ids, true), [leaver.nodeId], 'it has one that the record does not name any more')
  t.same(of(ids, false), [], 'it has been told')
})
