import type { Reply } from '../../http/server.ts'
import type { RefusalReason } from '../../protocol/shares/guardian.ts'
import type { Refusal } from './judge.ts'

/** Thrown where a node is refused; caught where it is logged and answered. */
export class Refused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(`refused: ${describeRefusal(refusal)}`)
    this.name = 'Refused'
    this.refusal = refusal
  }
}

/** As a line of the log says it. */
function describeRefusal({ reason, retryS }: Refusal): string {
  return retryS === undefined ? reason : `${reason}, retry in ${retryS} s`
}

type Said = { readonly status: number; readonly error: string; readonly hint: string }

const answers: Readonly<Record<RefusalReason, Said>> = {
  lease: { status: 409, error: 'the node holds a live lease', hint: 'wait for its end, or its goodbye' },
  starting: { status: 425, error: 'the guardian has just started', hint: 'wait until it knows who lives' },
  held: { status: 423, error: 'an operator has the node held', hint: 'ask the operators of the cluster' },
  'no-share': { status: 404, error: 'there is no share of this epoch', hint: 'try an epoch of holds' },
  release: {
    status: 403,
    error: 'the release is older than one that the node had',
    hint: 'start a newer release',
  },
  'not-a-member': {
    status: 403,
    error: 'the node is no member of this cluster',
    hint: 'pass its member record on, or enroll it',
  },
  'not-signed': {
    status: 403,
    error: 'signature, nonce or source address are not those of the node',
    hint: 'ask for the session again, from the address of the node',
  },
  session: {
    status: 409,
    error: 'the statement is for another session, or its number was used',
    hint: 'ask for the session again',
  },
  'too-many': { status: 429, error: 'the node asks too often', hint: 'wait' },
}

/** The answer to who is refused: `releaseRefusalSchema`, with the status that fits. */
export function refusalReply(refusal: Refusal): Reply {
  const { status, error, hint } = answers[refusal.reason]
  return {
    status,
    body: { error, hint, ...refusal },
    ...(refusal.retryS === undefined ? {} : { headers: { 'retry-after': String(refusal.retryS) } }),
  }
}
