import type { SignedText } from '../../protocol/fields.ts'
import { type Order, type OrderAction, verifyOrder } from '../../protocol/order.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { HttpError } from '../../http/error.ts'
import { describe, log } from '../system/log.ts'

/** Whose record it is, and how its next version is kept. */
export type OrderTaker = {
  record: NodeRecord
  /** Stores a record whose revision is the next; returns what was stored. */
  readonly keepRecord: (record: NodeRecord) => Promise<NodeRecord>
  /** While the number of one is being stored. */
  orderUnderWay?: boolean
}

/**
 * Checks an order of the owner and stores its number before anything is done: a recorded order is worth nothing,
 * also after a power cut. Throws HttpError: 403 for a wrong order, 409 while another is being stored.
 */
export async function takeOrder(
  node: OrderTaker,
  signed: SignedText,
  wanted: { readonly action: OrderAction; readonly arguments: Readonly<Record<string, string>> },
): Promise<void> {
  if (node.orderUnderWay === true)
    throw new HttpError(409, 'another order is under way', 'try again in a moment')
  const order = check(node.record, signed, wanted)
  node.orderUnderWay = true
  try {
    const { record } = node
    node.record = await node.keepRecord({
      ...record,
      revision: record.revision + 1,
      lastOrder: order.number,
    })
  } finally {
    node.orderUnderWay = false
  }
  log(`order ${order.number}: ${order.action} ${JSON.stringify(order.arguments)}`)
}

function check(
  { nodeId, owner, lastOrder }: NodeRecord,
  signed: SignedText,
  wanted: { readonly action: OrderAction; readonly arguments: Readonly<Record<string, string>> },
): Order {
  const { action } = wanted
  try {
    const order = verifyOrder(signed, { nodeId, owner, action, lastNumber: lastOrder, now: new Date() })
    const names = new Set([...Object.keys(order.arguments), ...Object.keys(wanted.arguments)])
    for (const name of names)
      if (order.arguments[name] !== wanted.arguments[name])
        throw new RangeError(`Cannot accept order: its '${name}' is not that of the command`)
    return order
  } catch (cause) {
    log(`order: refused: ${describe(cause)}`)
    throw new HttpError(403, describe(cause), 'only the owner of this node can order that')
  }
}
