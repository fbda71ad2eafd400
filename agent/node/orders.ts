import type { SignedText } from '../../protocol/fields.ts'
import { type Order, type OrderAction, verifyOrder } from '../../protocol/order.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { HttpError } from '../../http/error.ts'
import { describe, log } from '../system/log.ts'
import { changeRecord, type RecordKeeper } from './records.ts'

type Wanted = { readonly action: OrderAction; readonly arguments: Readonly<Record<string, string>> }

/**
 * Checks an order of the owner and stores its number before anything is done: a recorded order is worth nothing, also
 * after a power cut, and of two that come at once with one number the second is refused. Throws HttpError with 403 for
 * a wrong order.
 */
export async function takeOrder(keeper: RecordKeeper, signed: SignedText, wanted: Wanted): Promise<void> {
  const taken: Order[] = []
  await changeRecord(keeper, record => {
    const order = checkOrder(record, signed, wanted)
    taken.push(order)
    return { ...record, lastOrder: order.number }
  })
  for (const order of taken) log(`order ${order.number}: ${order.action} ${JSON.stringify(order.arguments)}`)
}

/** Judges an order without storing its number. Throws HttpError with 403 for a wrong one. */
export function checkOrder(
  { nodeId, owner, lastOrder }: NodeRecord,
  signed: SignedText,
  wanted: Wanted,
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
    throw new HttpError(403, describe(cause), 'only the owner of this node can order that')
  }
}
