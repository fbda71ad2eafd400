import { fromBase64url, toBase64url } from '../../protocol/fields.ts'
import { newKeyPair } from '../../protocol/keys.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { openFrom, sealTo } from '../../protocol/seal.ts'
import { lend } from '../../protocol/secret.ts'
import type { EpochId } from '../../protocol/shares/epoch.ts'
import {
  depositContext,
  type GuardianSession,
  releaseAnswerSchema,
  releaseContext,
  type ReleaseRequest,
  sessionSchema,
  signRelease,
  signStatement,
  type Statement,
  statementAnswerSchema,
} from '../../protocol/shares/guardian.ts'
import { inTurnByKey } from '../system/in-turn.ts'
import type { Ask, Question } from './ask.ts'
import type { Deposit, Guardians } from './world.ts'

export type GuardianClientOf = {
  readonly record: () => NodeRecord
  /** Asks the guardian's program on the node of this id. */
  readonly ask: Ask
  /** Lends the lease key, which is there only while the disk is open. */
  readonly withLeaseKey: <T>(use: (key: Uint8Array) => Promise<T>) => Promise<T>
  readonly isUnlocked: () => boolean
  readonly bootId: string
  readonly release: () => ReleaseRequest['release']
}

export type GuardianClient = Guardians & {
  /** Says that this node lives, or that it stops in order. Returns the epochs that the guardian holds of it. */
  readonly say: (guardian: string, kind: 'lease' | 'goodbye') => Promise<readonly EpochId[]>
}

// The guardian answers when its header is written: under emulation, with others at the same time, that takes a while. Who
// has a share to give away has time for the session as well; a lease has not.
const writeMs = 30_000
// Guardians that have just come back have much to do, and whoever asks again only adds to it.
const releaseMs = 30_000

type Body<S = Statement> = S extends Statement
  ? Omit<S, 'cluster' | 'node' | 'guardian' | 'session' | 'number'>
  : never
type Make = (session: GuardianSession) => Body

/** What this node says to the guardians of others, one statement after the other to each: their numbers rise. */
export function guardianClient(of: GuardianClientOf): GuardianClient {
  const turnOf = inTurnByKey()
  const state = (guardian: string, body: Make, sessionMs?: number) =>
    turnOf(guardian)(() => stateOnce(of, guardian, { body, sessionMs }))
  return {
    say: (guardian, kind) => state(guardian, () => ({ kind })),
    keep: async (guardian, epochs) => {
      const keep = epochs.map(plain)
      await state(guardian, () => ({ kind: 'keep', keep }))
    },
    deposit: async (guardian, what) => {
      await state(guardian, session => depositBody(of.record(), session, what), writeMs)
    },
    release: (guardian, epoch, signal) => fetchShare(of, { guardian, epoch: plain(epoch), signal }),
  }
}

async function stateOnce(
  of: GuardianClientOf,
  guardian: string,
  { body, sessionMs }: { readonly body: Make; readonly sessionMs: number | undefined },
): Promise<readonly EpochId[]> {
  const { cluster, nodeId: node } = of.record()
  const session = await openSession(of, guardian, { deadlineMs: sessionMs })
  const from = { cluster, node, guardian, session: session.session, number: session.number + 1 }
  const statement: Statement = { ...body(session), ...from }
  const signed = await of.withLeaseKey(key => Promise.resolve(signStatement(statement, key)))
  const { holds } = await of.ask(guardian, {
    path: '/v1/guardian/statement',
    body: signed,
    answer: statementAnswerSchema,
    deadlineMs: writeMs,
  })
  return holds
}

async function openSession(
  { record, ask }: GuardianClientOf,
  guardian: string,
  how: Pick<Question<GuardianSession>, 'signal' | 'deadlineMs'>,
): Promise<GuardianSession> {
  const path = `/v1/guardian/session?node=${record().nodeId}`
  const session = await ask(guardian, { path, answer: sessionSchema, ...how })
  if (session.guardian !== guardian)
    throw new RangeError(`Cannot use guardian: ${session.guardian} answers for ${guardian}`)
  return session
}

function depositBody(
  { nodeId: node }: NodeRecord,
  { guardian, session, key }: GuardianSession,
  { epoch, share, keep }: Deposit,
): Body {
  const context = depositContext({ node, guardian, session, epoch })
  const box = sealTo(fromBase64url(key), context, share)
  return { kind: 'deposit', epoch: plain(epoch), keep: keep.map(plain), box }
}

type Fetching = { readonly guardian: string; readonly epoch: EpochId; readonly signal: AbortSignal }

async function fetchShare(of: GuardianClientOf, { guardian, epoch, signal }: Fetching): Promise<Buffer> {
  const { cluster, nodeId: node } = of.record()
  const { nonce } = await openSession(of, guardian, { signal, deadlineMs: releaseMs })
  const pair = newKeyPair('x25519')
  return lend(pair.privateKey, async privateKey => {
    const oneTimeKey = toBase64url(pair.publicKey)
    const { bootId, release } = of
    const request = { cluster, node, guardian, epoch, nonce, bootId, oneTimeKey, release: release() }
    const body = await signedRelease(of, request)
    const { box } = await of.ask(guardian, {
      path: '/v1/guardian/release',
      body,
      answer: releaseAnswerSchema,
      signal,
      deadlineMs: releaseMs,
    })
    return openFrom(privateKey, releaseContext({ node, guardian, epoch, nonce }), box)
  })
}

function signedRelease(of: GuardianClientOf, request: ReleaseRequest) {
  const identity = Buffer.from(of.record().identityPrivate, 'base64url')
  return lend(identity, () =>
    of.isUnlocked()
      ? of.withLeaseKey(lease => Promise.resolve(signRelease(request, { identity, lease })))
      : signRelease(request, { identity }),
  )
}

/** An epoch of the record is more than its id. */
function plain({ number, id }: EpochId): EpochId {
  return { number, id }
}
