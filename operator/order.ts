import { formatTime } from '../protocol/fields.ts'
import type { SignedText } from '../protocol/fields.ts'
import { composeOrder } from '../protocol/order.ts'
import type { OrderAction } from '../protocol/order.ts'
import { signText } from '../protocol/wallet.ts'
import { saveNode } from './node-file.ts'
import type { NodeFile } from './node-file.ts'
import type { Wallet } from './wallet.ts'

export type OrderRequest = {
  readonly folder: string
  readonly wallet: Wallet
  readonly now: Date
  readonly action: OrderAction
  readonly values: Readonly<Record<string, string>>
  /** The number that the node says it saw last, where it said one. */
  readonly lastNumber?: number
}

// A node's orders are counted one by one: whoever claims a huge number only wants to use them all up.
export const numbersAheadMax = 1_000_000

const lifeMs = 10 * 60_000

/** Composes and signs the next order to a node. Its number is saved first: no two orders ever share one. */
export async function signOrder<T extends NodeFile>(
  node: T,
  request: OrderRequest,
): Promise<{ node: T; order: SignedText }> {
  const number = Math.max(node.orderNumber, request.lastNumber ?? 0) + 1
  const numbered = { ...node, orderNumber: number }
  await saveNode(request.folder, numbered)
  const text = composeOrder({
    node: node.nodeId,
    action: request.action,
    arguments: request.values,
    number,
    expires: formatTime(new Date(request.now.getTime() + lifeMs)),
  })
  return { node: numbered, order: { text, signature: signText(text, request.wallet.privateKey) } }
}
