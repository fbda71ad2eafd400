import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { mayVouch, type Trust } from '../../protocol/cluster/trust.ts'
import { formatTime, type SignedText, toBase64url } from '../../protocol/fields.ts'
import { type Challenge, checkLogin, loginMinutesMax, parseLogin, type Tokens } from '../../protocol/login.ts'
import type { Address } from '../../protocol/wallet.ts'
import { HttpError } from '../../http/error.ts'
import { type Purpose, purposeKey } from './keys.ts'
import { signToken, tokenSeconds, verifyToken } from './jwt.ts'
import { issueChallenge, wasIssued } from './nonce.ts'

/** A refresh token as it is stored: SHA-256 of it. All that come of one login are one session. */
export type Refresh = {
  readonly hash: string
  readonly session: string
  readonly address: Address
  /** The end of the session; no refresh moves it. */
  readonly expires: string
}

/** What all gateways of a cluster have to remember together. */
export type SignInStore = {
  /** True when nobody used this nonce before; remembered at least until it expires. */
  readonly useNonce: (nonce: string, expires: string) => Promise<boolean>
  readonly saveRefresh: (refresh: Refresh) => Promise<void>
  /**
   * Marks a token as used, in one step for all gateways. Undefined for one that was never saved, has expired, or whose
   * session has ended.
   */
  readonly useRefresh: (
    hash: string,
  ) => Promise<{ readonly refresh: Refresh; readonly isFirstUse: boolean } | undefined>
  /** No token of this session counts any more, nor one that is saved later. */
  readonly endSession: (session: string) => Promise<void>
}

export type SignInWith = {
  readonly cluster: string
  readonly audience: string
  readonly keys: SignInKeys
  /** Whose signatures count now. */
  readonly trust: () => Trust
  readonly store: SignInStore
  readonly now: () => Date
}

/** The desk at which operators sign in; see docs/gateway-http.md. All of it throws HttpError. */
export type SignIn = {
  readonly challenge: (address: Address) => Challenge
  readonly login: (signed: SignedText) => Promise<Tokens>
  readonly refresh: (refresh: string) => Promise<Tokens>
  /** The operator whose bearer token this header carries. */
  readonly operatorOf: (authorization: string | undefined) => Address
}

export function signInDesk(of: SignInWith): SignIn {
  return {
    challenge: address => challengeFor(of, address),
    login: async signed => {
      const { address, nonce, expires } = judgeLogin(of, signed)
      checkOperator(of, address)
      if (!(await of.store.useNonce(nonce, expires)))
        throw new HttpError(403, 'this challenge was used', 'ask for another one')
      const ends = new Date(of.now().getTime() + sessionMs)
      return issueTokens(of, { address, session: randomBytes(16).toString('hex'), expires: formatTime(ends) })
    },
    refresh: async refresh => {
      const used = await useRefresh(of, refresh)
      checkOperator(of, used.address)
      return issueTokens(of, used)
    },
    operatorOf: authorization => {
      const address = bearerOf(of, authorization)
      checkOperator(of, address)
      return address
    },
  }
}

export type SignInKeys = { readonly token: KeyObject; readonly nonce: KeyObject }

/** The keys that all gateways of a cluster have alike. The gateway key (32 bytes) stays the caller's. */
export function signInKeys(gatewayKey: Uint8Array): SignInKeys {
  const keyFor = (purpose: Purpose): KeyObject => {
    const bytes = purposeKey(gatewayKey, purpose)
    try {
      return createSecretKey(bytes)
    } finally {
      bytes.fill(0)
    }
  }
  return { token: keyFor('token'), nonce: keyFor('nonce') }
}

/** After a working day the wallet is asked again. */
const sessionMs = 12 * 3_600_000

function challengeFor(of: SignInWith, address: Address): Challenge {
  checkOperator(of, address)
  const now = of.now().getTime()
  const issued = formatTime(new Date(now))
  const expires = formatTime(new Date(now + loginMinutesMax * 60_000))
  const { cluster, audience } = of
  return issueChallenge({ cluster, audience, address, issued, expires }, of.keys.nonce)
}

function judgeLogin(of: SignInWith, signed: SignedText): Challenge {
  try {
    // Before the signature: its public key takes milliseconds to find.
    if (!wasIssued(parseLogin(signed.text), of.keys.nonce))
      throw new RangeError('Cannot accept login: no gateway of this cluster issued its challenge')
    return checkLogin(signed, { cluster: of.cluster, audience: of.audience, now: of.now() })
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new HttpError(400, cause.message, 'see docs/gateway-http.md')
    if (cause instanceof RangeError)
      throw new HttpError(403, cause.message, 'ask for a challenge and sign it')
    throw cause
  }
}

function checkOperator({ trust, now }: SignInWith, address: Address): void {
  if (mayVouch(trust(), address, formatTime(now()))) return
  throw new HttpError(403, 'this wallet is no operator of the cluster', 'its authority appoints operators')
}

/** A refresh token that comes again was stolen, from its owner or by him: both have to sign in. */
async function useRefresh(of: SignInWith, refresh: string): Promise<Refresh> {
  const found = await of.store.useRefresh(hashOf(refresh))
  if (found !== undefined && !found.isFirstUse) await of.store.endSession(found.refresh.session)
  if (found?.isFirstUse === true && found.refresh.expires > formatTime(of.now())) return found.refresh
  throw new HttpError(401, 'this refresh token is used, old or not of this cluster', 'sign in again')
}

async function issueTokens(of: SignInWith, session: Omit<Refresh, 'hash'>): Promise<Tokens> {
  const refresh = toBase64url(randomBytes(32))
  await of.store.saveRefresh({ ...session, hash: hashOf(refresh) })
  const iat = Math.floor(of.now().getTime() / 1000)
  const exp = iat + tokenSeconds
  const jti = randomBytes(16).toString('hex')
  const claims = { iss: of.cluster, aud: of.audience, sub: session.address, iat, exp, jti }
  const token = signToken(claims, of.keys.token)
  return { token, refresh, expires: formatTime(new Date(exp * 1000)) }
}

function bearerOf(of: SignInWith, authorization: string | undefined): Address {
  const token = /^Bearer ([\w.-]+)$/.exec(authorization ?? '')?.[1]
  try {
    if (token === undefined) throw new SyntaxError('Cannot accept token: there is none')
    const expected = { cluster: of.cluster, audience: of.audience, now: of.now() }
    return verifyToken(token, of.keys.token, expected).sub
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'Cannot accept token'
    const error = new HttpError(401, why, 'send Authorization: Bearer with a token of /v1/operator/login')
    error.headers = { 'www-authenticate': 'Bearer' }
    throw error
  }
}

function hashOf(refresh: string): string {
  return createHash('sha256').update(refresh).digest('hex')
}
