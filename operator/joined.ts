import type { JoinAnswer } from '../protocol/cluster/joining.ts'
import { checkMember, ownerOf } from '../protocol/cluster/member.ts'
import type { MemberRecord } from '../protocol/cluster/member.ts'
import { soleAuthority } from '../protocol/cluster/trust.ts'
import type { Trust } from '../protocol/cluster/trust.ts'
import { verifyAcknowledgement } from '../protocol/completion.ts'
import { formatTime } from '../protocol/fields.ts'
import { helloHash } from '../protocol/hello.ts'
import { recoverSigner, sameAddress } from '../protocol/wallet.ts'
import type { Address } from '../protocol/wallet.ts'
import { Failure } from './failure.ts'
import type { Enrolled, JoinedFile } from './node-file.ts'

export type JoinedNode = {
  readonly node: Enrolled<JoinedFile>
  /** Whose voucher it was. */
  readonly inviter: Address
}

/**
 * A node with what it says of itself, by a gateway that is believed nothing. Throws Failure 'impostor' unless hello's
 * keys signed for owner and cluster, and its member record is one of the same node, owner and address.
 */
export function joinedNode(
  node: JoinedFile,
  { answer, authority, now }: { answer: JoinAnswer; authority: Address; now: Date },
): JoinedNode {
  try {
    const { hello, owner, cluster } = node
    const said = verifyAcknowledgement(answer.acknowledgement, { hello, owner, cluster })
    const inviter = inviterOf(answer.member)
    const member = checkMember(answer.member, trustOf({ cluster, authority }, inviter))
    if (helloHash(member.hello) !== helloHash(hello))
      throw new RangeError('Cannot accept member: it is another node')
    if (!sameAddress(ownerOf(member.record), owner))
      throw new RangeError('Cannot accept member: it has another owner')
    if (member.address !== said.wireguard.address)
      throw new RangeError('Cannot accept member: it is at another address than it acknowledged')
    const { luksUuid, agentToken } = said
    const enrolled = { luksUuid, agentToken, at: formatTime(now) }
    return { node: { ...node, address: member.address, enrolled }, inviter }
  } catch (cause) {
    throw new Failure('impostor', 'Cannot accept the answer: the node of this hello did not make it', {
      cause,
    })
  }
}

function inviterOf({ invite }: MemberRecord): Address {
  if (invite === undefined) throw new RangeError('Cannot accept member: nobody invited it')
  return recoverSigner(invite.voucher.text, invite.voucher.signature).address
}

/**
 * Whom the authority appointed is known to members, who have all checked it, the new one among them; here whoever
 * signed the voucher counts as invited by.
 */
function trustOf(of: Parameters<typeof soleAuthority>[0], inviter: Address): Trust {
  const alone = soleAuthority(of)
  return sameAddress(inviter, of.authority) ? alone : { ...alone, operators: [{ address: inviter }] }
}
