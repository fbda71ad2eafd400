import { type MemberRecord, memberRecordSchema } from '../../protocol/cluster/member.ts'
import { type Membership, merge, noMembers } from '../../protocol/cluster/membership.ts'
import { type Acknowledgement, verifyAcknowledgement } from '../../protocol/completion.ts'
import { helloHash } from '../../protocol/hello.ts'
import type { CompletionAnswer } from '../../protocol/requests.ts'
import type { Admitted } from './admissions.ts'

export type AnswerOf = {
  readonly admitted: Admitted
  readonly cluster: string
  readonly membership: Membership
}

/**
 * What a node that was admitted has acknowledged, when it says so itself, and is a member at the address that it was
 * given. Throws SyntaxError, RangeError or ZodError with what does not hold.
 */
export function openAnswer({ box, member }: CompletionAnswer, of: AnswerOf): Acknowledgement {
  const { admitted, cluster, membership } = of
  const { hello, owner, address } = admitted
  const acknowledgement = verifyAcknowledgement(openJson(admitted, box), { hello, owner, cluster })
  if (acknowledgement.wireguard.address !== address)
    throw new RangeError('Cannot accept acknowledgement: another address')
  checkOwn(member, admitted)
  const [refusal] = merge(membership, { ...noMembers, members: [member] }).refusals
  if (refusal !== undefined) throw new RangeError(refusal.why)
  return acknowledgement
}

/** Its record has to be that of this admission: a gateway could have brought another's. */
function checkOwn(member: MemberRecord, { hello, grant, address }: Admitted): void {
  const { hello: named, grant: by, address: at } = memberRecordSchema.parse(member)
  if (helloHash(named) !== helloHash(hello) || by.text !== grant.text)
    throw new RangeError('Cannot accept member: it is not the node that was admitted')
  if (at !== address) throw new RangeError('Cannot accept member: it is not at the address that it was given')
}

/** Errors do not quote what was sealed: there is a token in it. */
function openJson({ openReply }: Admitted, box: string): unknown {
  const plaintext = openReply(box)
  try {
    return JSON.parse(plaintext.toString('utf8'))
  } catch {
    throw new SyntaxError('Cannot accept acknowledgement: it is not JSON')
  } finally {
    plaintext.fill(0)
  }
}
