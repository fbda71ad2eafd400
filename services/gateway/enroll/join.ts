import type { JoinAnswer, JoinOffer, JoinRequest } from '../../../protocol/cluster/joining.ts'
import type { CompletionAnswer } from '../../../protocol/requests.ts'
import { fromBase64url } from '../../../protocol/fields.ts'
import { nodeIdOf } from '../../../protocol/hello.ts'
import { HttpError } from '../../../http/error.ts'
import type { Agent } from '../agent-client.ts'
import { isAway } from '../registry/database.ts'
import { type DeliverWith, deliver } from './deliver.ts'
import { hold, orRelease } from './hold.ts'
import { checkTimely, judgeJoin, type Wanted } from './judge.ts'
import { type Settled, settlement, type SettleWith } from './settle.ts'

export type JoinWith = SettleWith & {
  readonly offer: JoinOffer
  readonly agent: Pick<Agent, 'join' | 'joined'>
  readonly deliver: DeliverWith
}

/** An operator took the invite back, or another node got it, while the node joined by it. */
export class LostInviteError extends HttpError {
  override readonly name = 'LostInviteError'
  constructor() {
    super(
      410,
      'the invite was taken back, or given to another, while the node joined',
      'the node is enrolled, but no member of the cluster: flash it anew',
    )
  }
}

/**
 * Brings nodes into the cluster. Whoever asks again with the same hello goes on where the first left off, at any
 * gateway: with the answer if the node has given it, else with the invite and address that are kept for the node.
 * All of it throws HttpError; see docs/gateway-http.md.
 */
export function joinDesk(of: JoinWith): (request: JoinRequest) => Promise<JoinAnswer> {
  const settled = settlement(of)
  const delivered = new Map<string, CompletionAnswer>()
  const underWay = new Map<string, { readonly grant: string; readonly end: Promise<JoinAnswer> }>()
  return async request => {
    const wanted = judgeJoin(request, of.offer)
    const { hello } = wanted
    const other = underWay.get(hello)
    if (other !== undefined && other.grant !== request.grant.text)
      throw new HttpError(409, 'another enrollment of this node is under way', 'wait for its end')
    if (other !== undefined) return other.end
    if (underWay.size >= underWayMax)
      throw new HttpError(503, 'too many enrollments are under way', 'try again in some minutes')
    const end = enroll({ ...of, ...settled, delivered }, wanted)
    underWay.set(hello, { grant: request.grant.text, end })
    try {
      return await end
    } finally {
      underWay.delete(hello)
    }
  }
}

const underWayMax = 32

type Enrolling = JoinWith &
  Settled & {
    /** What nodes said once and to nobody else, until the agent has read it: it may have too much to do. */
    readonly delivered: Map<string, CompletionAnswer>
  }

async function enroll(of: Enrolling, wanted: Wanted): Promise<JoinAnswer> {
  const before = await answerOf(of, wanted)
  if (before !== undefined) {
    await refuseDeparted(of, before)
    return of.settle(wanted, before)
  }
  const kept = of.delivered.get(keyOf(wanted))
  if (kept !== undefined) return follow(of, wanted, kept)
  await refuseMember(of, wanted)
  checkTimely(wanted, of.now())
  const held = await hold(of, wanted)
  const { hello, grant, proof, claim } = wanted.request
  const invite = { voucher: held.voucher, proof }
  const admission = { hello, grant, invite, claim, address: held.address }
  const completion = await orRelease(of, held, () => of.agent.join(admission))
  const delivery = { completion, hello: wanted.hello, nodeIp: wanted.grant.nodeIp }
  return follow(of, wanted, await orRelease(of, held, () => deliver(delivery, of.deliver)))
}

/** From here on the node is enrolled: nothing of it is given back. */
async function follow(of: Enrolling, wanted: Wanted, answer: CompletionAnswer): Promise<JoinAnswer> {
  const key = keyOf(wanted)
  keep(of.delivered, key, answer)
  await refuseLost(of, wanted)
  const acknowledgement = await of.agent.joined(wanted.hello, answer).catch((cause: unknown) => {
    if (!isRefusal(cause)) throw cause
    // Perhaps a stranger's who called in the place of the node: the next try asks again.
    of.delivered.delete(key)
    throw worthless(cause)
  })
  of.delivered.delete(key)
  return of.settle(wanted, { acknowledgement, member: answer.member })
}

/** Of those that nobody asked for again the oldest goes. */
function keep(delivered: Enrolling['delivered'], key: string, answer: CompletionAnswer): void {
  const [oldest] = delivered.keys()
  if (delivered.size >= underWayMax && oldest !== undefined) delivered.delete(oldest)
  delivered.set(key, answer)
}

/** An answer is to one grant. */
function keyOf({ hello, request: { grant } }: Wanted): string {
  return `${hello} ${grant.signature}`
}

/**
 * The node has its configuration, but is no member until the agent tells the others. Throws LostInviteError where its
 * invite is not kept for it any more. While the registry is away nobody can have taken it: then the join goes on.
 */
async function refuseLost({ registry }: JoinWith, { hello, grant: { tokenHash } }: Wanted): Promise<void> {
  const isKept = await registry.invites.isKept({ tokenHash, hello }).catch((cause: unknown) => {
    if (isAway(cause)) return true
    throw cause
  })
  if (!isKept) throw new LostInviteError()
}

function isRefusal(cause: unknown): cause is HttpError {
  return cause instanceof HttpError && cause.status === 403
}

/** What the agent refuses to believe is the node's fault, not that of who asks. */
function worthless({ message, hint }: HttpError): HttpError {
  return new HttpError(502, `the answer of the node is worth nothing: ${message}`, hint)
}

/** What the node answered when it was asked before, with this very grant. */
async function answerOf({ registry, pending }: Enrolling, wanted: Wanted): Promise<JoinAnswer | undefined> {
  const { hello, request } = wanted
  const answer = pending(wanted) ?? (await registry.joinAnswers.find(hello))
  if (answer === undefined) return undefined
  const { text, signature } = answer.member.grant
  if (text === request.grant.text && signature === request.grant.signature) return answer
  throw new HttpError(409, 'this node has joined by another grant', 'it is a member already')
}

/** To settle it again would store its token, and hold its address for ever. */
async function refuseDeparted({ registry }: JoinWith, { acknowledgement }: JoinAnswer): Promise<void> {
  const { departures } = await registry.members.membership()
  if (departures.has(acknowledgement.nodeId))
    throw new HttpError(409, 'this node has joined and left', 'flash it, and enroll it anew')
}

/** It said so itself, after its answer was lost: what was in that only its owner may ask of it. */
async function refuseMember({ registry }: JoinWith, { request }: Wanted): Promise<void> {
  const { members } = await registry.members.membership()
  const member = members.get(nodeIdOf(fromBase64url(request.hello.identity)))
  if (member?.record.grant.text === request.grant.text)
    throw new HttpError(
      409,
      'this node has joined, and its acknowledgement was lost',
      'its owner can ask it for another one: POST /v1/node/acknowledgement',
    )
}
