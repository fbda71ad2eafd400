import { createHash } from 'node:crypto'
import * as z from 'zod'
import { base64url, clusterId, enrollmentCodeText, ipv4, sha256Hex, time } from './fields.ts'
import type { SignedText } from './fields.ts'
import { enrollmentCode, helloHash } from './hello.ts'
import type { Hello } from './hello.ts'
import { composeLines, parseLines } from './lines.ts'
import { addressSchema, recoverSigner, sameAddress } from './wallet.ts'
import type { Address } from './wallet.ts'

/** What an operator's wallet signs to let one node, with exactly these keys, into a cluster. */
export const grantSchema = z.strictObject({
  kind: z.enum(['genesis', 'join']),
  cluster: clusterId,
  /** Whose signatures make members of this cluster: the owner of its genesis. */
  authority: addressSchema,
  hello: sha256Hex,
  code: enrollmentCodeText,
  nodeIp: ipv4,
  gatewayKey: base64url({ length: 32 }),
  tokenHash: sha256Hex,
  issued: time,
  expires: time,
})

export type Grant = z.infer<typeof grantSchema>

/** A genesis has no invite: its token hash is that of the empty token. */
export const genesisTokenHash = createHash('sha256').digest('hex')

const form = {
  first: 'OramaOS enrollment grant v1',
  names: [
    'kind',
    'cluster',
    'authority',
    'hello',
    'code',
    'node-ip',
    'gateway-key',
    'token-hash',
    'issued',
    'expires',
  ],
} as const

/** The text of a grant, as the wallet signs it. Throws for values that no grant may have. */
export function composeGrant(grant: Grant): string {
  const { nodeIp, gatewayKey, tokenHash, ...rest } = grantSchema.parse(grant)
  return composeLines(form, {
    ...rest,
    'node-ip': nodeIp,
    'gateway-key': gatewayKey,
    'token-hash': tokenHash,
  })
}

/** Reads the text of a grant. Throws SyntaxError unless `composeGrant` would write exactly the same bytes. */
export function parseGrant(text: string): Grant {
  if (text.length > 2048) throw new SyntaxError('Cannot read grant: it is too long')
  const {
    'node-ip': nodeIp,
    'gateway-key': gatewayKey,
    'token-hash': tokenHash,
    ...rest
  } = parseLines(form, text)
  const parsed = grantSchema.safeParse({ ...rest, nodeIp, gatewayKey, tokenHash })
  if (!parsed.success) throw new SyntaxError(`Cannot read grant: ${z.prettifyError(parsed.error)}`)
  if (composeGrant(parsed.data) !== text) throw new SyntaxError('Cannot read grant: not in its one spelling')
  return parsed.data
}

export type GrantExpectation = {
  /** The checking side's own hello, or the one it took from the node. */
  readonly hello: Hello
  readonly now: Date
  /** The owner whom the operator file names; without one anybody may own, and the claim word decides. */
  readonly owner?: Address
}

export type CheckedGrant = {
  readonly grant: Grant
  readonly owner: Address
  readonly ownerPublicKey: Uint8Array
}

/** Grants live no longer than this, so that one that leaked is soon worthless. */
export const grantMinutesMax = 60
// A machine without a battery for its clock starts a little off; the hello's own expiry is what counts.
const clockSkewMs = 5 * 60_000

/**
 * Checks a signed grant against a hello: the hash, the recomputed code, the times, the owner.
 * Throws SyntaxError for what is no grant, RangeError for one that is not for this node, now, by this owner.
 */
export async function checkGrant(signed: SignedText, expected: GrantExpectation): Promise<CheckedGrant> {
  const grant = parseGrant(signed.text)
  const signer = recoverSigner(signed.text, signed.signature)
  if (expected.owner !== undefined && !sameAddress(signer.address, expected.owner))
    throw new RangeError(`Cannot accept grant: signed by ${signer.address}, the owner is ${expected.owner}`)
  checkTimes(grant, expected.now)
  if (grant.kind === 'genesis' && grant.tokenHash !== genesisTokenHash)
    throw new RangeError('Cannot accept grant: a genesis has no token')
  if (grant.kind === 'genesis' && grant.authority !== signer.address)
    throw new RangeError('Cannot accept grant: the authority of a genesis is its owner')
  if (grant.hello !== helloHash(expected.hello))
    throw new RangeError('Cannot accept grant: it is for another hello')
  if (grant.code !== (await enrollmentCode(expected.hello)))
    throw new RangeError('Cannot accept grant: it is for another enrollment code')
  return { grant, owner: signer.address, ownerPublicKey: signer.publicKey }
}

function checkTimes(grant: Grant, now: Date): void {
  const issuedMs = Date.parse(grant.issued)
  const expiresMs = Date.parse(grant.expires)
  if (expiresMs <= now.getTime()) throw new RangeError(`Cannot accept grant: it expired at ${grant.expires}`)
  if (issuedMs > now.getTime() + clockSkewMs)
    throw new RangeError(`Cannot accept grant: it is issued at ${grant.issued}, in the future`)
  if (expiresMs <= issuedMs || expiresMs - issuedMs > grantMinutesMax * 60_000)
    throw new RangeError(`Cannot accept grant: it must live at most ${grantMinutesMax} minutes`)
}
