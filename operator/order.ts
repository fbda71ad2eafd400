import { formatTime } from '../protocol/fields.ts'
import type { SignedText } from '../protocol/fields.ts'
import { composeOrder } from '../protocol/order.ts'
import type { OrderAction } from '../protocol/order.ts'
import { signText } from '../protocol/wallet.ts'
import { countOrder } from './node-file.ts'
import type { NodeFile } from './node-file.ts'
import type { Wallet } from './wallet.ts'
import type { World } from './world.ts'

export type OrderRequest = {
  readonly folder: string
  readonly wallet: Wallet
  readonly action: OrderAction
  readonly values: Readonly<Record<string, string>>
  /** The number that the node says it saw last, where it said one. */
  readonly lastNumber?: number
}

// A node's orders are counted one by one: whoever claims a huge number only wants to use them all up.
export const numbersAheadMax = 1_000_000

const lifeMs = 10 * 60_000

/**
 * Composes and signs the next order to a node, and returns the node with the numbers that are on file by then. The
 * order's number is saved first: no two orders of this machine ever share one, whichever `orama` signs them.
 */
export async function signOrder<T extends NodeFile>(
  world: World,
  node: T,
  request: OrderRequest,
): Promise<{ node: T; order: SignedText }> {
  const { nodeId, orderNumber, escrowNumber } = node
  const lastNumber = Math.max(orderNumber, request.lastNumber ?? 0)
  const numbers = await countOrder(world, request.folder, { nodeId, orderNumber: lastNumber, escrowNumber })
  const text = composeOrder({
    node: nodeId,
    action: request.action,
    arguments: request.values,
    number: numbers.orderNumber,
    expires: formatTime(new Date(world.now().getTime() + lifeMs)),
  })
  return {
    node: { ...node, ...numbers },
    order: { text, signature: signText(text, request.wallet.privateKey) },
  }
}
