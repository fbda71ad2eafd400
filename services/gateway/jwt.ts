import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { clusterId, toBase64url } from '../../protocol/fields.ts'
import { audience } from '../../protocol/login.ts'
import { addressSchema } from '../../protocol/wallet.ts'

// JSON Web Tokens (RFC 7519) that only gateways make and only gateways read. So the header is one constant text that
// has to be there byte by byte: there is no algorithm to choose, no key to name, and nothing in it to parse.

const seconds = z.int().min(0)

export const claimsSchema = z.strictObject({
  /** The cluster. */
  iss: clusterId,
  aud: audience,
  /** The operator. */
  sub: addressSchema,
  /** Seconds since 1970, as `exp`. */
  iat: seconds,
  exp: seconds,
  jti: z.string().regex(/^[0-9a-f]{32}$/),
})
export type Claims = z.infer<typeof claimsSchema>

/** Of a token that is signed: how the address is spelled was judged before, and costs Keccak. */
const signedSchema = claimsSchema.extend({ sub: z.string().regex(/^0x[0-9a-fA-F]{40}$/) })

export const tokenSeconds = 15 * 60
/** How far another gateway's clock may be ahead of this one's. */
const skewSeconds = 60
const charactersMax = 1024

const header = toBase64url(Buffer.from('{"alg":"HS256","typ":"JWT"}'))

/** Signs claims with HMAC-SHA256. */
export function signToken(claims: Claims, key: KeyObject): string {
  const body = toBase64url(Buffer.from(JSON.stringify(claimsSchema.parse(claims))))
  return `${header}.${body}.${signature(body, key)}`
}

export type TokenExpectation = {
  readonly cluster: string
  readonly audience: string
  readonly now: Date
}

/** The claims of a token that counts here and now. Throws SyntaxError or RangeError, never with a part of it. */
export function verifyToken(token: string, key: KeyObject, expected: TokenExpectation): Claims {
  if (token.length > charactersMax) throw new SyntaxError('Cannot accept token: it is too long')
  const [head, body = '', mac = '', ...rest] = token.split('.')
  if (head !== header || rest.length > 0)
    throw new SyntaxError('Cannot accept token: it is none of a gateway')
  if (!isSame(mac, signature(body, key))) throw new RangeError('Cannot accept token: it is not signed')
  const claims = readClaims(body)
  checkClaims(claims, expected)
  return claims
}

function checkClaims({ iss, aud, iat, exp }: Claims, expected: TokenExpectation): void {
  const nowS = expected.now.getTime() / 1000
  if (iss !== expected.cluster) throw new RangeError('Cannot accept token: it is of another cluster')
  if (aud !== expected.audience) throw new RangeError('Cannot accept token: it is for another gateway')
  if (exp <= nowS) throw new RangeError('Cannot accept token: it has expired')
  if (iat > nowS + skewSeconds) throw new RangeError('Cannot accept token: it is of the future')
  if (exp <= iat || exp - iat > tokenSeconds) throw new RangeError('Cannot accept token: it lives too long')
}

function readClaims(body: string): Claims {
  try {
    return signedSchema.parse(JSON.parse(Buffer.from(body, 'base64url').toString()))
  } catch {
    throw new SyntaxError('Cannot accept token: its claims make no sense')
  }
}

function signature(body: string, key: KeyObject): string {
  return createHmac('sha256', key).update(`${header}.${body}`).digest('base64url')
}

/** In constant time, and of one spelling: the texts are compared, not what they decode to. */
function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
