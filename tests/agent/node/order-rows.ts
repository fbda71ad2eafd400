import { carryOut } from '../../../agent/node/acts.ts'
import type { Node } from '../../../agent/node/serve.ts'
import { formatTime, type SignedText } from '../../../protocol/fields.ts'
import { composeOrder, type Order } from '../../../protocol/order.ts'
import type { Command } from '../../../protocol/requests.ts'
import { authority, newNode, newWallet, signedBy, type TestWallet } from '../../protocol/cluster/sample.ts'

/** A node, and a way to send it an order: of its owner and right, but for these changes, or signed by somebody else. */
export type Ordered = {
  readonly node: Node
  readonly take: (changes?: Partial<Order>, by?: TestWallet) => Promise<unknown>
}

/** Why a node refuses, how it comes to that, and the status of the refusal. */
export type Refusal<Set> = readonly [why: string, act: (set: Set) => Promise<unknown>, status: number]

/** What nodes refuse of any order, here of this action. */
export function wrongOrders(action: Command['action']): readonly Refusal<Ordered>[] {
  return [
    ['nobody who signed', ({ node }) => carryOut(node, { action }), 403],
    ['a stranger', ({ take }) => take({}, newWallet()), 403],
    ['the authority, who is not the owner', ({ take }) => take({}, authority), 403],
    ['another node', ({ take }) => take({ node: newNode().nodeId }), 403],
    ['another action', ({ take }) => take({ action: 'unlock' }), 403],
    ['other arguments than the command has', ({ take }) => take({ arguments: { force: 'yes' } }), 403],
    ['an hour that is over', ({ take }) => take({ expires: '2020-01-01T00:00:00Z' }), 403],
    [
      'a used number',
      ({ node, take }) => {
        node.record = { ...node.record, lastOrder: 1 }
        return take()
      },
      403,
    ],
  ]
}

/** Why nodes refuse an order that needs their disk open. */
export const closed: readonly Refusal<Ordered>[] = [
  [
    'a closed disk',
    ({ node, take }) => {
      node.machine.dataOpen = false
      return take()
    },
    409,
  ],
  [
    'a node that stops',
    ({ node, take }) => {
      node.machine.state.become('stopping')
      return take()
    },
    409,
  ],
]

/** Signs such orders: the first, good for a minute, but for what is changed. */
export function orderOf(facts: Pick<Order, 'node' | 'action' | 'arguments'>, owner: TestWallet) {
  return (changes: Partial<Order> = {}, by = owner): SignedText => {
    const expires = formatTime(new Date(Date.now() + 60_000))
    return signedBy(by, composeOrder({ ...facts, number: 1, expires, ...changes }))
  }
}
