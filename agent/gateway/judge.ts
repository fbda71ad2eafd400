import type { Admission } from '../../protocol/cluster/admission.ts'
import { checkInvite } from '../../protocol/cluster/member.ts'
import { type Membership, membersMax } from '../../protocol/cluster/membership.ts'
import { checkFree } from '../../protocol/cluster/rivals.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import { type CheckedGrant, checkGrant, type Grant, parseGrant } from '../../protocol/grant.ts'
import { checkHelloTime, nodeIdOf } from '../../protocol/hello.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { sameAddress } from '../../protocol/wallet.ts'
import { checkJoinAddress } from './address.ts'

export type JoinJudgement = {
  readonly record: Pick<NodeRecord, 'cluster' | 'authority' | 'wireguard'>
  readonly membership: Membership
  /** The enrollment key of the cluster. */
  readonly gatewayKey: string
  readonly now: Date
}

/**
 * Decides whether a node may join, as if the gateway that asks had judged nothing: an operator invited it, the holder
 * of the invite means this very grant, the grant is for this hello, now, into this cluster, and neither its keys nor
 * its address are a member's. Throws SyntaxError or RangeError with the reason.
 */
export async function judgeJoin(admission: Admission, by: JoinJudgement): Promise<CheckedGrant> {
  const { hello, grant: signed, invite, address } = admission
  const { membership, now } = by
  const grant = parseGrant(signed.text)
  checkPlace(grant, by)
  checkHelloTime(hello, now)
  const voucher = checkInvite(invite, { grant, grantText: signed.text, trust: membership.trust })
  if (Date.parse(voucher.expires) <= now.getTime())
    throw new RangeError(`Cannot admit node: its invite expired at ${voucher.expires}`)
  checkNew(nodeIdOf(fromBase64url(hello.identity)), membership)
  checkFree(membership, { hello, grant, address })
  checkJoinAddress(address, by.record.wireguard)
  // Last, since the code costs scrypt: nobody has that computed without an invite.
  return checkGrant(signed, { hello, now })
}

function checkPlace({ kind, cluster, authority, gatewayKey }: Grant, by: JoinJudgement): void {
  if (kind !== 'join') throw new RangeError('Cannot admit node: its grant is not for a join')
  if (cluster !== by.record.cluster)
    throw new RangeError('Cannot admit node: its grant is for another cluster')
  if (!sameAddress(authority, by.record.authority))
    throw new RangeError('Cannot admit node: its grant names another authority')
  if (gatewayKey !== by.gatewayKey)
    throw new RangeError('Cannot admit node: its grant names another gateway key')
}

/** Also who has left stays known: its keys never come back. */
function checkNew(node: string, { members }: Membership): void {
  if (members.has(node)) throw new RangeError(`Cannot admit node: ${node} is or was a member`)
  if (members.size >= membersMax) throw new RangeError(`Cannot admit node: there are ${membersMax} members`)
}
