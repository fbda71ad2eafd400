import t from 'tap'
import { neededOf } from '../../../agent/node/cluster.ts'
import { signLeaving } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { formatTime } from '../../../protocol/fields.ts'
import type { Openings } from '../../../protocol/shares/opening.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import { cluster } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'

const [now, before] = [0, 5 * 60_000].map(ms => formatTime(new Date(Date.now() - ms)))

function sharedWith(nodes: readonly string[]): Openings {
  const holders = nodes.map((node, index) => ({
    ...{ node, x: index + 1, salt: 'A'.repeat(22), hash: 'A'.repeat(43) },
  }))
  return {
    current: {
      kind: 'shares',
      keyslot: 1,
      epoch: { ...newEpochId(1), threshold: 3, made: now ?? '', holders },
    },
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

/** A node of six, of whom one leaves; whom it still needs as a peer. */
function leavingOne() {
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
  const hear = async (at = '') => {
    const facts = { cluster, node: leaver.nodeId, at }
    const departures = [signLeaving(facts, leaver.keys.lease.privateKey)]
    await node.view.hear({ membership: { ...noMembers, departures }, endpoints: [] })
  }
  return { leaver, ids, of, hear }
}

t.test('who leaves stays a peer until it has been told to erase its share', async t => {
  const { leaver, ids, of, hear } = leavingOne()
  t.same(of([leaver.nodeId, ...ids], true), [], 'nobody leaves yet')
  await hear(before)
  t.same(of([leaver.nodeId, ...ids], false), [leaver.nodeId], 'it has a share')
  t.same(of(ids, true), [leaver.nodeId], 'it has one that the record does not name any more')
  t.same(of(ids, false), [], 'it has been told')
})

t.test('who has just left stays a peer, for the registry may need its vote', async t => {
  const { leaver, ids, of, hear } = leavingOne()
  await hear(now)
  t.same(of(ids, false), [leaver.nodeId])
})
