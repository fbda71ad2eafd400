import { timingSafeEqual } from 'node:crypto'
import { normalizeTyped } from '../../protocol/claim.ts'
import { openClaim } from '../../protocol/cluster/joining.ts'
import { type MemberRecord, signMember } from '../../protocol/cluster/member.ts'
import {
  emptyMembership,
  type Membership,
  merge,
  noMembers,
  present,
  type Refusal,
} from '../../protocol/cluster/membership.ts'
import { type Completion, type EnrollmentConfig, enrollmentConfigSchema } from '../../protocol/completion.ts'
import { type CheckedGrant, checkGrant } from '../../protocol/grant.ts'
import { openCompletion } from '../../protocol/seal.ts'
import { inNetwork } from '../../protocol/wireguard.ts'
import type { Session } from './session.ts'

/** A completion of this node's owner, where the claim word is right too. */
export type Judged = {
  /** Whose keys opened it: the node must not be made of those of another. */
  readonly session: Session
  readonly completion: Completion
  readonly config: EnrollmentConfig
  readonly grant: CheckedGrant
  readonly sealReply: (plaintext: Uint8Array) => string
}

/** A completion that the node will carry out. */
export type Accepted = Judged & {
  /** The cluster with this node in it, all of it checked. */
  readonly membership: Membership
  /** What did not prove itself, and is not in it. */
  readonly leftOut: readonly Refusal[]
  readonly member: MemberRecord
}

export type Judgement = {
  readonly session: Session
  /** The owner that the operator file names. */
  readonly owner: string | undefined
  readonly now: Date
}

/**
 * Decides whether a completion comes from this node's owner: a grant for exactly our hello, by the owner of the
 * operator file where it names one, and a seal that only its gateway key can have made. Where there is no such
 * owner, `checkClaim` has the last word. Throws RangeError or SyntaxError with the reason.
 */
export async function judgeCompletion(completion: Completion, judgement: Judgement): Promise<Judged> {
  const { session, owner, now } = judgement
  const grant = await checkGrant(completion.grant, {
    hello: session.hello,
    now,
    ...(owner === undefined ? {} : { owner }),
  })
  const { plaintext, sealReply } = openCompletion({
    hello: session.hello,
    grantText: completion.grant.text,
    enrollmentPrivate: session.keys.enrollment.privateKey,
    ephemeral: completion.ephemeral,
    box: completion.box,
  })
  const config = parseConfig(plaintext)
  if (config.cluster !== grant.grant.cluster)
    throw new RangeError('Cannot accept configuration: it is for another cluster than the grant')
  return { session, completion, config, grant, sealReply }
}

/** Does the sender know the secret of the console? Throws RangeError if not. */
export function checkClaim({ completion, session }: Judged): void {
  const typed = Buffer.from(normalizeTyped(claimOf(completion, session)))
  const wanted = Buffer.from(session.claim)
  if (typed.length !== wanted.length || !timingSafeEqual(typed, wanted))
    throw new RangeError('Cannot accept completion: the claim word is wrong; it stands on the console')
}

/** A box of another node or grant holds no word, and is refused in the words of a wrong one. */
function claimOf({ claim, grant }: Completion, { keys }: Session): string {
  if (claim === undefined) return ''
  try {
    return openClaim(claim, { grant, enrollmentPrivate: keys.enrollment.privateKey })
  } catch {
    return ''
  }
}

/**
 * Takes the node's own place among the members it is told of. Who hands out the configuration may be anybody: every
 * member has to prove itself, and no peer comes in that is no member, but those that the owner of a genesis names. What
 * does not prove itself is left out, as members leave it out of news: else whoever signed one thing that others took
 * before its dismissal would keep all newcomers out. Proofs take a while: nothing is proved for somebody who does not
 * know the claim word. Throws RangeError.
 */
export function enterCluster(judged: Judged): Accepted {
  const { session, completion, config, grant } = judged
  const { join, wireguard } = config
  const { kind, cluster, authority } = grant.grant
  if ((kind === 'join') !== (join !== undefined))
    throw new RangeError(`Cannot accept configuration: it is not that of a ${kind}`)
  if (kind === 'join' && wireguard.peers.length > 0)
    throw new RangeError('Cannot accept configuration: it names peers that are no members')
  const { membership: others, refusals: leftOut } = merge(
    emptyMembership({ cluster, authority }),
    join?.membership ?? noMembers,
  )
  const known = present(others)
  if (kind === 'join' && !known.some(one => inNetwork(one.address, wireguard)))
    throw new RangeError('Cannot accept configuration: it has no member in this network')
  const { address } = wireguard
  const facts = { hello: session.hello, grant: completion.grant, address }
  const member = signMember(
    join === undefined ? facts : { ...facts, invite: join.invite },
    session.keys.lease.privateKey,
  )
  const own = merge(others, { ...noMembers, members: [member] })
  const [refused] = own.refusals
  if (refused !== undefined)
    throw new RangeError(`Cannot accept configuration: ${refused.what}: ${refused.why}`)
  return { ...judged, member, membership: own.membership, leftOut }
}

/** Wipes the plaintext. Errors do not quote it: they are logged. */
function parseConfig(plaintext: Buffer): EnrollmentConfig {
  const parsed = enrollmentConfigSchema.safeParse(jsonOf(plaintext))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SyntaxError(
    `Cannot accept configuration: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
  )
}

function jsonOf(plaintext: Buffer): unknown {
  try {
    return JSON.parse(plaintext.toString('utf8'))
  } catch {
    throw new SyntaxError('Cannot accept configuration: it is not JSON')
  } finally {
    plaintext.fill(0)
  }
}
