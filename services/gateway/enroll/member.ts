import type { MemberRecord } from '../../../protocol/cluster/member.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { HttpError } from '../../../http/error.ts'
import type { Agent } from '../agent-client.ts'
import type { JoinWith } from './join.ts'
import { judgeRequest, type Wanted } from './judge.ts'

export type MemberWith = Pick<JoinWith, 'offer' | 'registry' | 'refresh' | 'now'> & {
  readonly agent: Pick<Agent, 'news' | 'tell'>
}

/** `known`: nothing was to be done. */
export type Accepted = 'accepted' | 'known'

/**
 * Makes a node a member whose answer was lost when it joined: it is enrolled, and no other node lets it in. Its record
 * proves itself, so anybody may bring it; agent and registry judge it as any news. What this gateway adds: the invite
 * and the address are those that gateways keep for the hello. Throws HttpError 403, 409 or 503.
 */
export async function acceptMember(of: MemberWith, record: MemberRecord): Promise<Accepted> {
  const { registry, agent, now } = of
  const wanted = judgeMember(of, record)
  const { members } = await registry.members.membership()
  if ([...members.values()].some(one => one.record.signature === record.signature)) return 'known'
  await checkKept(of, wanted, record.address)
  const news = { ...noMembers, members: [record] }
  await agent.tell({ membership: news, endpoints: [] })
  const { membership } = await agent.news()
  if (!membership.members.some(one => one.signature === record.signature))
    throw new HttpError(403, 'the agent does not accept this member', 'its log says why')
  const [refusal] = await registry.members.add(news, now())
  if (refusal !== undefined) throw new HttpError(403, refusal.why, 'its operator has to enroll it anew')
  await registry.addresses.confirm(wanted.hello)
  await registry.invites.spend({ tokenHash: wanted.grant.tokenHash, hello: wanted.hello }, now())
  await of.refresh()
  return 'accepted'
}

/** What costs nothing: as with a request to join, but that it may come late. */
function judgeMember({ offer }: MemberWith, { hello, grant, invite }: MemberRecord): Wanted {
  if (invite === undefined) throw new HttpError(403, 'nobody invited this node', 'a genesis is known')
  return judgeRequest({ hello, grant, proof: invite.proof }, offer)
}

/** An invite that was taken back, or that another has since, lets nobody in any more; nor does a chosen address. */
async function checkKept(
  { registry }: MemberWith,
  { hello, grant: { tokenHash } }: Wanted,
  address: string,
): Promise<void> {
  if (!(await registry.invites.isKept({ tokenHash, hello })))
    throw new HttpError(409, 'its invite is not kept for this node', 'ask an operator for another one')
  if ((await registry.addresses.keptFor(hello)) !== address)
    throw new HttpError(409, 'its address is not kept for this node', 'it has to be enrolled anew')
}
