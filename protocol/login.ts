import * as z from 'zod'
import { base64url, clusterId, type SignedText, time } from './fields.ts'
import { composeLines, parseLines } from './lines.ts'
import { addressSchema, recoverSigner, sameAddress } from './wallet.ts'

// How an operator signs in to a gateway. The gateway offers fields, never a text: who signs composes it himself, so
// that no gateway can have something else signed.

/** Whom a login and its tokens are for: the origin under which operators know the cluster's gateways. */
export const audience = z
  .url({ protocol: /^https$/ })
  .max(256)
  .refine(text => URL.parse(text)?.origin === text, 'not an origin such as https://gateway.example')

/** POST /v1/operator/challenge, from the gateway. */
export const challengeSchema = z.strictObject({
  cluster: clusterId,
  audience,
  address: addressSchema,
  /** What the gateway knows this very challenge by. */
  nonce: base64url({ length: 32 }),
  issued: time,
  expires: time,
})
export type Challenge = z.infer<typeof challengeSchema>

/** POST /v1/operator/challenge, to the gateway. */
export const challengeRequestSchema = z.strictObject({ address: addressSchema })

/** POST /v1/operator/refresh, to the gateway. */
export const refreshRequestSchema = z.strictObject({ refresh: base64url({ length: 32 }) })

/** 200 to POST /v1/operator/login and /v1/operator/refresh. */
export const tokensSchema = z.strictObject({
  /** For `Authorization: Bearer`, until `expires`. */
  token: z.string().max(1024),
  /** Good once, for new tokens. */
  refresh: base64url({ length: 32 }),
  expires: time,
})
export type Tokens = z.infer<typeof tokensSchema>

const form = {
  first: 'OramaOS operator login v1',
  names: ['cluster', 'audience', 'address', 'nonce', 'issued', 'expires'],
} as const

/** The text of a login, as the wallet signs it. Throws for values that no challenge may have. */
export function composeLogin(challenge: Challenge): string {
  return composeLines(form, challengeSchema.parse(challenge))
}

/** Reads the text of a login. Throws SyntaxError unless `composeLogin` would write exactly the same bytes. */
export function parseLogin(text: string): Challenge {
  if (text.length > 1024) throw new SyntaxError('Cannot read login: it is too long')
  const parsed = challengeSchema.safeParse(parseLines(form, text))
  if (!parsed.success) throw new SyntaxError(`Cannot read login: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

export type LoginExpectation = {
  readonly cluster: string
  readonly audience: string
  readonly now: Date
}

/**
 * The operator's half, before anything is signed: whether the challenge is of the cluster and gateway that he called.
 * One that another gateway passed on to him names that one. Throws RangeError.
 */
export function checkChallenge(
  challenge: Challenge,
  expected: LoginExpectation & { readonly address: string },
): void {
  if (!sameAddress(challenge.address, expected.address))
    throw new RangeError('Cannot accept challenge: it is for another wallet')
  checkPlaceAndTime(challenge, expected, 'challenge')
}

/**
 * The gateway's half: the text, its place and times, and that the wallet it names signed it. Whether the nonce is good
 * is the gateway's to know. Throws SyntaxError for what is no login, RangeError for one that is worth nothing here.
 */
export function checkLogin(signed: SignedText, expected: LoginExpectation): Challenge {
  const login = parseLogin(signed.text)
  checkPlaceAndTime(login, expected, 'login')
  if (!sameAddress(recoverSigner(signed.text, signed.signature).address, login.address))
    throw new RangeError('Cannot accept login: another wallet signed it')
  return login
}

/** A challenge lives no longer than this. */
export const loginMinutesMax = 5
/** How far the clocks of operator and gateways may be apart. */
const clockSkewMs = 60_000

function checkPlaceAndTime(challenge: Challenge, expected: LoginExpectation, what: string): void {
  if (challenge.cluster !== expected.cluster)
    throw new RangeError(`Cannot accept ${what}: it is for another cluster`)
  if (challenge.audience !== expected.audience)
    throw new RangeError(`Cannot accept ${what}: it is for another gateway`)
  const issuedMs = Date.parse(challenge.issued)
  const expiresMs = Date.parse(challenge.expires)
  if (expiresMs <= expected.now.getTime()) throw new RangeError(`Cannot accept ${what}: it has expired`)
  if (issuedMs > expected.now.getTime() + clockSkewMs)
    throw new RangeError(`Cannot accept ${what}: it is issued in the future`)
  if (expiresMs <= issuedMs || expiresMs - issuedMs > loginMinutesMax * 60_000)
    throw new RangeError(`Cannot accept ${what}: it must live at most ${loginMinutesMax} minutes`)
}
