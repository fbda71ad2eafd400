import * as z from 'zod'
import { canonicalText } from './canonical.ts'
import { counter, nodeId, time } from './fields.ts'
import type { SignedText } from './fields.ts'
import { composeLines, parseLines } from './lines.ts'
import { recoverSigner, sameAddress } from './wallet.ts'
import type { Address } from './wallet.ts'

/** What a node does only when its owner signed for it. */
export const orderActions = [
  'acknowledge',
  'unlock',
  'leave',
  'evict',
  'hold',
  'release',
  'escrow',
  'endpoints',
  'update',
  'rekey',
  'seccomp',
] as const
export type OrderAction = (typeof orderActions)[number]

/** An owner's order to one node, once: the number rises with every order. */
export const orderSchema = z.strictObject({
  node: nodeId,
  action: z.enum(orderActions),
  arguments: z.record(z.string().max(64), z.json()),
  number: counter.min(1),
  expires: time,
})
export type Order = z.infer<typeof orderSchema>

const form = {
  first: 'OramaOS order v1',
  names: ['node', 'action', 'arguments', 'number', 'expires'],
} as const
const textMax = 16 * 1024

/** The text of an order, as the wallet signs it. Throws for values that no order may have. */
export function composeOrder(order: Order): string {
  const { number, arguments: values, ...rest } = orderSchema.parse(order)
  return composeLines(form, { ...rest, number: String(number), arguments: canonicalText(values) })
}

/** Reads the text of an order. Throws SyntaxError unless `composeOrder` would write exactly the same bytes. */
export function parseOrder(text: string): Order {
  if (text.length > textMax) throw new SyntaxError('Cannot read order: it is too long')
  const { number, arguments: values = '', ...rest } = parseLines(form, text)
  const parsed = orderSchema.safeParse({ ...rest, number: Number(number), arguments: parseArguments(values) })
  if (!parsed.success) throw new SyntaxError(`Cannot read order: ${z.prettifyError(parsed.error)}`)
  if (composeOrder(parsed.data) !== text) throw new SyntaxError('Cannot read order: not in its one spelling')
  return parsed.data
}

export type OrderExpectation = {
  readonly nodeId: string
  readonly owner: Address
  readonly action: OrderAction
  /** The number of the last order that this node carried out; 0 before the first. */
  readonly lastNumber: number
  readonly now: Date
}

/**
 * Checks a signed order: signer, node, action, number, expiry. The caller then stores its number, before it acts; not
 * for `acknowledge`, which changes nothing and may come again until it expires.
 * Throws SyntaxError for what is no order, RangeError saying which of these is wrong.
 */
export function verifyOrder(signed: SignedText, expected: OrderExpectation): Order {
  const order = parseOrder(signed.text)
  const signer = recoverSigner(signed.text, signed.signature)
  if (!sameAddress(signer.address, expected.owner))
    throw new RangeError(`Cannot accept order: signed by ${signer.address}, who is not the owner`)
  if (order.node !== expected.nodeId)
    throw new RangeError(`Cannot accept order: it is for node ${order.node}`)
  if (order.action !== expected.action)
    throw new RangeError(`Cannot accept order: it says '${order.action}', not '${expected.action}'`)
  if (order.number <= expected.lastNumber)
    throw new RangeError(
      `Cannot accept order: number ${order.number} is used, need more than ${expected.lastNumber}`,
    )
  if (Date.parse(order.expires) <= expected.now.getTime())
    throw new RangeError(`Cannot accept order: it expired at ${order.expires}`)
  return order
}

function parseArguments(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new SyntaxError('Cannot read order: its arguments are no JSON', { cause })
  }
}
