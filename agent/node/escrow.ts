import type { SignedText } from '../../protocol/fields.ts'
import { planShares, shamirFrom } from '../../protocol/shares/plan.ts'
import { HttpError } from '../../http/error.ts'
import { takeOrder } from './orders.ts'
import type { Node } from './serve.ts'

/**
 * Gives the disk secret back to the owner, by an order of theirs: where too few guardians are left, or none gives the
 * shares of an evicted node. Throws HttpError: 403 for a wrong order; 409 while the disk is closed or is given a new
 * key, where the owner has the secret, or where there are guardians enough.
 */
export async function takeSecretBack(node: Node, order: SignedText): Promise<object> {
  const { care } = node
  const state = node.machine.state.current().name
  if (node.machine.dataOpen !== true || care === undefined || state === 'stopping')
    throw new HttpError(409, 'the disk is closed, or being closed', `the node is ${state}`)
  if (node.rekey !== undefined)
    throw new HttpError(409, 'the disk is being given a new key', `${node.rekey.percent} % are done`)
  if (node.record.openings.current.kind === 'escrow')
    throw new HttpError(409, 'the owner has the secret already', 'there is nothing to take back')
  refuseEnough(node)
  await takeOrder(node, order, { action: 'escrow', arguments: {} })
  await care.takeBack()
  return { status: 'escrow' }
}

/** The node would share its secret anew at once. */
function refuseEnough({ view, record }: Node): void {
  if (view.membership().departures.has(record.nodeId)) return
  const { guardians } = planShares(record.nodeId, view.members())
  if (guardians.length >= shamirFrom)
    throw new HttpError(
      409,
      `there are ${guardians.length} guardians`,
      `with ${shamirFrom} or more they have the secret`,
    )
}
