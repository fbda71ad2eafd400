import { timingSafeEqual } from 'node:crypto'
import { normalizeTyped } from '../../protocol/claim.ts'
import { type Completion, type EnrollmentConfig, enrollmentConfigSchema } from '../../protocol/completion.ts'
import { type CheckedGrant, checkGrant } from '../../protocol/grant.ts'
import { openCompletion } from '../../protocol/seal.ts'
import type { Session } from './session.ts'

/** A completion that the node will carry out. */
export type Accepted = {
  /** Whose keys opened it: the node must not be made of those of another. */
  readonly session: Session
  readonly completion: Completion
  readonly config: EnrollmentConfig
  readonly grant: CheckedGrant
  readonly sealReply: (plaintext: Uint8Array) => string
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
export async function judgeCompletion(completion: Completion, judgement: Judgement): Promise<Accepted> {
  const { session, owner, now } = judgement
  const grant = await checkGrant(completion.grant, {
    hello: session.hello,
    now,
    ...(owner === undefined ? {} : { owner }),
  })
  if (grant.grant.kind !== 'genesis')
    throw new RangeError('Cannot accept grant: this version enrolls genesis nodes only')
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
export function checkClaim({ config, session }: Accepted): void {
  const typed = Buffer.from(normalizeTyped(config.claim ?? ''))
  const wanted = Buffer.from(session.claim)
  if (typed.length !== wanted.length || !timingSafeEqual(typed, wanted))
    throw new RangeError('Cannot accept completion: the claim word is wrong; it stands on the console')
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
