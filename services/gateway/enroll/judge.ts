import { checkAsking, checkInviteProof } from '../../../protocol/cluster/invite.ts'
import type { JoinOffer, JoinRequest } from '../../../protocol/cluster/joining.ts'
import { type Grant, parseGrant } from '../../../protocol/grant.ts'
import { checkHelloTime, helloHash } from '../../../protocol/hello.ts'
import { sameAddress } from '../../../protocol/wallet.ts'
import { HttpError } from '../../../http/error.ts'

/** What a node or its owner claims; a member's record says it too. */
export type Claimed = Omit<JoinRequest, 'asking'>

/** A request that is worth asking registry, agent and node for. */
export type Wanted = {
  readonly request: Claimed
  readonly grant: Grant
  /** Hash of the hello. */
  readonly hello: string
  /** When all that it holds ends unless the node has joined by then. */
  readonly until: Date
}

/**
 * What costs nothing and turns most away: place, keys and proof of the invite. Whose grant it is, its code and the
 * voucher are judged by the agent. Throws HttpError 403.
 */
export function judgeRequest(request: Claimed, offer: JoinOffer): Wanted {
  try {
    const grant = parseGrant(request.grant.text)
    const hello = helloHash(request.hello)
    checkPlace(grant, offer)
    if (grant.hello !== hello) throw new RangeError('Cannot accept grant: it is for another hello')
    checkInviteProof(request.proof, { grantText: request.grant.text, tokenHash: grant.tokenHash })
    return { request, grant, hello, until: new Date(grant.expires) }
  } catch (cause) {
    throw refused(cause)
  }
}

/** The same of a request to join, which the holder of the invite has to make. Throws HttpError 403. */
export function judgeJoin({ asking, ...request }: JoinRequest, offer: JoinOffer): Wanted {
  const wanted = judgeRequest(request, offer)
  try {
    checkAsking(asking, request)
    return wanted
  } catch (cause) {
    throw refused(cause)
  }
}

/** Whether it may begin now; what was begun in time may be finished later. Throws HttpError 403. */
export function checkTimely({ request, grant, until }: Wanted, now: Date): void {
  try {
    checkHelloTime(request.hello, now)
    const leftMs = until.getTime() - now.getTime()
    if (leftMs <= 0) throw new RangeError(`Cannot accept grant: it expired at ${grant.expires}`)
    if (leftMs > grantMsMax) throw new RangeError('Cannot accept grant: it lives for more than an hour')
  } catch (cause) {
    throw refused(cause)
  }
}

const grantMsMax = 3_600_000

function checkPlace(grant: Grant, { cluster, authority, gatewayKey }: JoinOffer): void {
  if (grant.kind !== 'join') throw new RangeError('Cannot accept grant: it is not for a join')
  if (grant.cluster !== cluster) throw new RangeError('Cannot accept grant: it is for another cluster')
  if (!sameAddress(grant.authority, authority))
    throw new RangeError('Cannot accept grant: it names another authority')
  if (grant.gatewayKey !== gatewayKey)
    throw new RangeError('Cannot accept grant: it names another gateway key')
}

function refused(cause: unknown): unknown {
  if (cause instanceof SyntaxError || cause instanceof RangeError)
    return new HttpError(403, cause.message, 'GET /v1/node/enroll says what a grant has to name')
  return cause
}
