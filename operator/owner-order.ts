import type { SignedText } from '../protocol/fields.ts'
import type { OrderAction } from '../protocol/order.ts'
import { statusSchema } from '../protocol/status.ts'
import type { Status } from '../protocol/status.ts'
import { sameAddress } from '../protocol/wallet.ts'
import { askNode } from './agent.ts'
import type { Input } from './command.ts'
import { Failure } from './failure.ts'
import { nodesFolder } from './node-file.ts'
import { numbersAheadMax, signOrder } from './order.ts'
import type { Reached } from './reach.ts'
import { withWallet } from './wallet.ts'
import type { World } from './world.ts'

export function askStatus(world: World, reached: Reached): Promise<Status> {
  return askNode(world, { method: 'GET', ...reached.way('status'), answer: statusSchema })
}

export type Wanted = { readonly action: OrderAction; readonly values: Readonly<Record<string, string>> }

/** An order of the node's owner for this once, with a number that the node has not seen. Throws Failure. */
export async function ownerOrder(
  world: World,
  input: Input,
  { reached, wanted }: { readonly reached: Reached; readonly wanted: Wanted },
): Promise<SignedText> {
  const { node } = reached
  if (node === undefined)
    throw new Failure('usage', `Cannot sign for node ${reached.name}: its file is not on this machine`, {
      hint: 'Only its owner orders that; orders are counted in the file that enrolling made',
    })
  const { lastOrder: lastNumber = 0 } = await askStatus(world, reached)
  if (lastNumber > node.orderNumber + numbersAheadMax)
    throw new Failure('impostor', 'Cannot sign: the node counts its orders too far ahead', {
      hint: 'Nothing was sent',
    })
  const folder = nodesFolder(world, input)
  const { order } = await withWallet(world, input, wallet => {
    if (!sameAddress(wallet.address, node.owner))
      throw new Failure('usage', `Node ${node.nodeId} is owned by ${node.owner}, this is ${wallet.address}`)
    return signOrder(world, node, { folder, wallet, ...wanted, lastNumber })
  })
  return order
}
