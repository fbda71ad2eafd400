import { noMembers } from '../../protocol/cluster/membership.ts'
import { appoint, parseAppointment, soleAuthority } from '../../protocol/cluster/trust.ts'
import type { SignedText } from '../../protocol/fields.ts'
import { HttpError } from '../../http/error.ts'
import { describe } from '../system/log.ts'
import { type ClusterSide, hearOne, readText } from './cluster-acts.ts'

/** Whom the authority appointed last, with its signature: who asks believes that and not the node. */
export function showOperators({ view }: Pick<ClusterSide, 'view'>): object {
  const { appointment } = view.membership()
  return appointment === undefined ? {} : { appointment }
}

/**
 * Takes a list of operators; the one that is known already is taken again and changes nothing. Throws HttpError: 400 for
 * a text that says something else, 403 where the authority of this cluster did not sign it, 409 where it does not follow
 * what is known.
 */
export async function appointOperators(node: ClusterSide, order: SignedText): Promise<object> {
  const { number } = readText(() => parseAppointment(order.text))
  const { trust } = node.view.membership()
  const check = (status: number, hint: string, known: typeof trust) => {
    try {
      appoint(known, order)
    } catch (cause) {
      throw new HttpError(status, describe(cause), hint)
    }
  }
  // Both before it is heard: what is refused there counts against who tells news.
  check(403, 'only the authority of this cluster appoints operators', soleAuthority(trust))
  check(409, 'name everybody who ever was an operator, and since when no more', trust)
  await hearOne(node, { membership: { ...noMembers, appointment: order }, endpoints: [] })
  if (node.view.membership().appointment?.text !== order.text)
    throw new HttpError(409, 'a newer list of operators is known', 'begin with that one and sign it anew')
  return { status: 'appointed', number }
}
