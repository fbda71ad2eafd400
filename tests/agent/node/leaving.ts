import { hasLeft, leave, type LeaveWorld } from '../../../agent/node/leave.ts'
import type { Ask } from '../../../agent/shares/ask.ts'
import type { NewsMessage } from '../../../protocol/cluster/news.ts'
import { newNode, newWallet } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'
import { type Ordered, orderOf } from './order-rows.ts'

export const issued = '2026-11-27T08:00:00Z'
const owner = newWallet()

/** The first of so many members; of the others these can be told. */
export function setUp(
  count: number,
  reached: readonly number[] = Array.from({ length: count }, (_, at) => at),
) {
  const told: string[] = []
  const ask = (async (to: string, { body }: { body?: NewsMessage }) => {
    if (!reached.some(at => side.nodes[at]?.nodeId === to)) throw new Error('no route')
    if (body?.news?.membership.departures.length === 1) told.push(to)
    return Promise.resolve({ digest: '0'.repeat(64) })
  }) as Ask
  const side = memberNode(count, { owner: owner.address }, ask)
  const [own = newNode()] = side.nodes
  const ended = Promise.withResolvers<undefined>()
  const clock = { ms: Date.parse(issued) }
  const world: LeaveWorld = {
    withLeaseKey: use => use(own.keys.lease.privateKey),
    pause: ms => Promise.resolve((clock.ms += ms)),
    nowMs: () => clock.ms,
  }
  const stored: boolean[] = []
  const node = {
    ...side.node,
    keepRecord: (next: typeof side.node.record) => {
      stored.push(hasLeft(next))
      return Promise.resolve(next)
    },
    stop: (how: string) => {
      side.did.push(how)
      ended.resolve(undefined)
    },
  }
  const order = orderOf({ node: own.nodeId, action: 'leave', arguments: {} }, owner)
  const take: Ordered['take'] = (...changes) => leave(node, { order: order(...changes) }, world)
  return { ...side, node, own, told, world, stored, order, take, ended: ended.promise, clock }
}
