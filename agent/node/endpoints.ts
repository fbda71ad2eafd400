import type { SignedText } from '../../protocol/fields.ts'
import { HttpError } from '../../http/error.ts'
import { applyPeers } from './cluster.ts'
import { checkOrder, takeOrder } from './orders.ts'
import type { Node } from './serve.ts'

export type Endpoints = {
  readonly order: SignedText
  readonly endpoints: Readonly<Record<string, string>> | undefined
}

/**
 * Takes the owner's word for where other nodes are, after all of them have moved at once, say. WireGuard proves it or
 * not; it counts until that node says where it is. A locked node cannot store the order's number: the order is good
 * until it expires. Throws HttpError: 400 for no endpoints, 403 for a wrong order, 404 for no member.
 */
export async function noteEndpoints(
  node: Node,
  { order, endpoints }: Endpoints,
  apply: (node: Node) => Promise<void> = applyPeers,
): Promise<object> {
  if (endpoints === undefined || Object.keys(endpoints).length === 0)
    throw new HttpError(400, 'which endpoints?', 'send {"endpoints":{"<node id>":"<address>:<port>"}}')
  const known = node.view.members()
  const stranger = Object.keys(endpoints).find(one => !known.includes(one))
  if (stranger !== undefined) throw new HttpError(404, 'one of them is no member', 'nothing was changed')
  const wanted = { action: 'endpoints', arguments: endpoints } as const
  if (node.machine.dataOpen === true) await takeOrder(node, order, wanted)
  else checkOrder(node.record, order, wanted)
  for (const [id, endpoint] of Object.entries(endpoints)) node.view.hint(id, endpoint)
  await apply(node)
  return { status: 'noted' }
}
