import type { JoinAnswer, JoinOffer, JoinRequest } from '../../../protocol/cluster/joining.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import type { Acknowledgement } from '../../../protocol/completion.ts'
import { nodeIdOf } from '../../../protocol/hello.ts'
import { fromBase64url } from '../../../protocol/fields.ts'
import { moveSecret } from '../../../protocol/secret.ts'
import { HttpError } from '../../../http/error.ts'
import type { Agent } from '../agent-client.ts'
import type { Registry } from '../registry/registry.ts'
import { type DeliverWith, deliver } from './deliver.ts'
import { hold, orRelease } from './hold.ts'
import { checkTimely, judgeRequest, type Wanted } from './judge.ts'

export type JoinWith = {
  readonly offer: JoinOffer
  readonly registry: Registry
  readonly agent: Pick<Agent, 'join' | 'joined'>
  readonly deliver: DeliverWith
  /** Called when there is a new member. */
  readonly refresh: () => Promise<void>
  readonly now: () => Date
}

/**
 * Brings nodes into the cluster. Whoever asks again with the same hello goes on where the first left off, at any
 * gateway: with the answer if the node has given it, else with the invite and address that are kept for the node.
 * All of it throws HttpError; see docs/gateway-http.md.
 */
export function joinDesk(of: JoinWith): (request: JoinRequest) => Promise<JoinAnswer> {
  const underWay = new Map<string, { readonly grant: string; readonly end: Promise<JoinAnswer> }>()
  return async request => {
    const wanted = judgeRequest(request, of.offer)
    const { hello } = wanted
    const other = underWay.get(hello)
    if (other !== undefined && other.grant !== request.grant.text)
      throw new HttpError(409, 'another enrollment of this node is under way', 'wait for its end')
    if (other !== undefined) return other.end
    if (underWay.size >= underWayMax)
      throw new HttpError(503, 'too many enrollments are under way', 'try again in some minutes')
    const end = enroll(of, wanted)
    underWay.set(hello, { grant: request.grant.text, end })
    try {
      return await end
    } finally {
      underWay.delete(hello)
    }
  }
}

const underWayMax = 32

async function enroll(of: JoinWith, wanted: Wanted): Promise<JoinAnswer> {
  const before = await answerOf(of, wanted)
  if (before !== undefined) return settle(of, wanted, before)
  await refuseMember(of, wanted)
  checkTimely(wanted, of.now())
  const held = await hold(of, wanted)
  const { hello, grant, proof, claim } = wanted.request
  const invite = { voucher: held.voucher, proof }
  const admission = { hello, grant, invite, claim, address: held.address }
  const completion = await orRelease(of, wanted, () => of.agent.join(admission))
  const delivery = { completion, hello: wanted.hello, nodeIp: wanted.grant.nodeIp }
  const answer = await orRelease(of, wanted, () => deliver(delivery, of.deliver))
  // From here on the node is enrolled: nothing of it is given back.
  const acknowledgement = await opened(of.agent.joined(wanted.hello, answer))
  return settle(of, wanted, { acknowledgement, member: answer.member })
}

/** What the agent refuses to believe is the node's fault, not that of who asks. */
function opened(acknowledgement: Promise<Acknowledgement>): Promise<Acknowledgement> {
  return acknowledgement.catch((cause: unknown) => {
    if (!(cause instanceof HttpError) || cause.status !== 403) throw cause
    throw new HttpError(502, `the answer of the node is worth nothing: ${cause.message}`, cause.hint)
  })
}

/** What the node answered when it was asked before, with this very grant. */
async function answerOf({ registry }: JoinWith, { hello, request }: Wanted): Promise<JoinAnswer | undefined> {
  const answer = await registry.joinAnswers.find(hello)
  if (answer === undefined) return undefined
  const { text, signature } = answer.member.grant
  if (text === request.grant.text && signature === request.grant.signature) return answer
  throw new HttpError(409, 'this node has joined by another grant', 'it is a member already')
}

/** It said so itself, after its answer was lost: what was in that only its owner may ask of it. */
async function refuseMember({ registry }: JoinWith, { request }: Wanted): Promise<void> {
  const { members } = await registry.members.membership()
  const member = members.get(nodeIdOf(fromBase64url(request.hello.identity)))
  if (member?.record.grant.text === request.grant.text)
    throw new HttpError(
      409,
      'this node has joined, and its acknowledgement was lost',
      'over WireGuard its owner can ask it for another one: POST /v1/agent/acknowledgement',
    )
}

/** Each step may be repeated: what a gateway did not get to is done when somebody asks again. */
async function settle({ registry, refresh, now }: JoinWith, wanted: Wanted, answer: JoinAnswer) {
  const { hello, grant } = wanted
  await registry.joinAnswers.put(hello, answer)
  await storeToken(registry, answer)
  const [refusal] = await registry.members.add({ ...noMembers, members: [answer.member] }, now())
  if (refusal !== undefined) throw new Error(`Cannot store member: ${refusal.what}: ${refusal.why}`)
  await registry.addresses.confirm(hello)
  await registry.invites.spend({ tokenHash: grant.tokenHash, hello }, now())
  await refresh()
  return answer
}

async function storeToken({ nodeTokens }: Registry, { acknowledgement, member }: JoinAnswer): Promise<void> {
  const token = moveSecret(Buffer.from(acknowledgement.agentToken, 'hex'))
  try {
    await nodeTokens.put(nodeIdOf(fromBase64url(member.hello.identity)), token)
  } finally {
    token.fill(0)
  }
}
