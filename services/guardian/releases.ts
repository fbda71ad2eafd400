import { HttpError } from '../../http/error.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import { sealTo } from '../../protocol/seal.ts'
import { lend } from '../../protocol/secret.ts'
import {
  type ReleaseAnswer,
  releaseContext,
  type ReleaseRequest,
  releaseSigner,
  type SignedRelease,
} from '../../protocol/shares/guardian.ts'
import { admit, type Guardian } from './guardian.ts'
import { judgeRelease, noShare } from './judge.ts'
import { Refused } from './refusals.ts'

/** By what right a share was given. */
export type Right = 'original' | 'no lease' | 'after unclean stop'

export type Released = { readonly answer: ReleaseAnswer; readonly right: Right }

/**
 * Gives a node its share, sealed to its one-time key. Throws Refused; HttpError 400 for a key that is none, 503 as
 * the store does.
 */
export async function release(guardian: Guardian, signed: SignedRelease, from: string): Promise<Released> {
  const { request } = signed
  const { node, epoch } = request
  const { store, leases, nonces, limits } = guardian
  const member = await admit(guardian, { called: request, from, limit: limits.releases })
  const signer = releaseSigner(signed, member.hello)
  const fresh = signer !== 'nobody' && nonces.take(node, request.nonce)
  const holding = await store.holding(node)
  const judge = () => {
    const upMs = guardian.nowMs() - guardian.startedMs
    const known = { asked: request, signer, fresh, held: member.held === true, holding }
    const refusal = judgeRelease({ ...known, leaseLeftMs: leases.leftMs(node), upMs })
    if (refusal !== undefined) throw new Refused(refusal)
  }
  judge()
  if (request.release.floor > holding.counter) await store.raise(node, request.release.floor)
  const share = await store.share(node, epoch)
  if (share === undefined) throw new Refused(noShare(await store.holding(node)))
  return lend(share, () => {
    // Once more: the node's original may have said meanwhile that it lives.
    judge()
    const right = signer === 'original' ? signer : leases.ranOut(node) ? 'after unclean stop' : 'no lease'
    return { answer: { box: sealed(request, share) }, right }
  })
}

function sealed(request: ReleaseRequest, share: Uint8Array): string {
  try {
    return sealTo(fromBase64url(request.oneTimeKey), releaseContext(request), share)
  } catch {
    throw new HttpError(400, 'the one-time key is no usable point', 'make a new X25519 key for each unlock')
  }
}
