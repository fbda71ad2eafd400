import { createHash } from 'node:crypto'
import * as z from 'zod'
import { canonicalBytes } from '../canonical.ts'
import { base64url, fromBase64url, ipv4, signedTextSchema, toBase64url } from '../fields.ts'
import { type Grant, parseGrant } from '../grant.ts'
import { type Hello, helloHash, helloSchema, nodeIdOf } from '../hello.ts'
import { signBytes, verifyBytes } from '../keys.ts'
import { type Address, recoverSigner, sameAddress } from '../wallet.ts'
import { checkInviteProof, inviteProofSchema, tokenHash } from './invite.ts'
import type { Trust } from './trust.ts'
import { checkVoucher, type Voucher } from './voucher.ts'

/** The invite by which a node joins: an operator's voucher, and that the holder of its token means the grant. */
export const inviteRightSchema = z.strictObject({ voucher: signedTextSchema, proof: inviteProofSchema })
export type InviteRight = z.infer<typeof inviteRightSchema>

/**
 * A node of a cluster, provable to every other without asking anybody: its hello, the grant of its owner, and for all
 * but the genesis the operator's voucher and the signature of the invite's token. The node itself adds its address.
 */
export const memberRecordSchema = z.strictObject({
  v: z.literal(1),
  hello: helloSchema,
  grant: signedTextSchema,
  invite: inviteRightSchema.optional(),
  address: ipv4,
  /** By the lease key of the hello: no copy of its disk can give the node another address. */
  signature: base64url({ length: 64 }),
})
export type MemberRecord = z.infer<typeof memberRecordSchema>

/** A member record that was checked. */
export type Member = {
  readonly nodeId: string
  readonly address: string
  readonly grant: Grant
  readonly hello: Hello
  readonly record: MemberRecord
}

const domain = 'orama-member-v1'

/** Signs with the raw lease key (32-byte seed) what the node adds to its own record. */
export function signMember(
  facts: Omit<MemberRecord, 'v' | 'signature'>,
  leasePrivate: Uint8Array,
): MemberRecord {
  const signature = toBase64url(signBytes(domain, statement(facts), leasePrivate))
  return memberRecordSchema.parse({ v: 1, ...facts, signature })
}

/**
 * Checks the whole chain from the cluster's authority to the node's keys. Times are compared with each other only:
 * a member stays one when grant and voucher are long over. Throws ZodError for a wrong form, SyntaxError or
 * RangeError with the link that does not hold.
 */
export function checkMember(value: unknown, trust: Trust): Member {
  const record = memberRecordSchema.parse(value)
  const { hello } = record
  const grant = parseGrant(record.grant.text)
  if (grant.cluster !== trust.cluster) throw new RangeError('Cannot accept member: it is of another cluster')
  if (!sameAddress(grant.authority, trust.authority))
    throw new RangeError('Cannot accept member: its grant names another authority')
  if (grant.hello !== helloHash(hello))
    throw new RangeError('Cannot accept member: its grant is for other keys')
  checkRight(record, { grant, owner: ownerOf(record), trust })
  const identity = fromBase64url(hello.lease)
  if (!verifyBytes(domain, statement(record), { signature: fromBase64url(record.signature), identity }))
    throw new RangeError('Cannot accept member: it did not sign for its address itself')
  return readMember(record, grant)
}

/** A record that was checked before, as it comes from the node's own disk: nothing of it is verified. */
export function readMember(record: MemberRecord, grant = parseGrant(record.grant.text)): Member {
  const { hello, address } = record
  return { nodeId: nodeIdOf(fromBase64url(hello.identity)), address, grant, hello, record }
}

/** By which invite a node came, as its grant names it; undefined for a genesis. Of a record that was not checked: a claim. */
export function inviteOf({ invite }: MemberRecord): string | undefined {
  return invite === undefined ? undefined : tokenHash(fromBase64url(invite.proof.key))
}

/** Whose wallet signed the grant of a member. */
export function ownerOf({ grant }: MemberRecord): Address {
  return recoverSigner(grant.text, grant.signature).address
}

type Claim = { readonly grant: Grant; readonly owner: Address; readonly trust: Trust }

/** By what right the node is in the cluster: as its genesis, or by an invite. */
function checkRight({ grant: { text }, invite }: MemberRecord, { grant, owner, trust }: Claim): void {
  if (grant.kind === 'genesis') {
    if (!sameAddress(owner, trust.authority))
      throw new RangeError(`Cannot accept member: a genesis of ${owner}, who is not the authority`)
    if (invite !== undefined) throw new RangeError('Cannot accept member: a genesis has no invite')
    return
  }
  if (invite === undefined) throw new RangeError('Cannot accept member: nobody invited it')
  checkInvite(invite, { grant, grantText: text, trust })
}

/**
 * Checks that an operator invited the node of a grant, and that the holder of the invite means it. Returns the
 * voucher; whether it is still good is the caller's to ask. Throws SyntaxError or RangeError with what does not hold.
 */
export function checkInvite(
  { voucher: signed, proof }: InviteRight,
  { grant, grantText, trust }: { readonly grant: Grant; readonly grantText: string; readonly trust: Trust },
): Voucher {
  const voucher = checkVoucher(signed, trust)
  if (voucher.tokenHash !== grant.tokenHash)
    throw new RangeError('Cannot accept member: its voucher is for another invite')
  if (grant.issued < voucher.issued || grant.issued > voucher.expires)
    throw new RangeError('Cannot accept member: its grant was not issued while its voucher was good')
  checkInviteProof(proof, { grantText, tokenHash: grant.tokenHash })
  return voucher
}

function statement({ hello, grant, address }: Pick<MemberRecord, 'hello' | 'grant' | 'address'>): Uint8Array {
  const grantHash = createHash('sha256').update(grant.text).digest('hex')
  return canonicalBytes({ v: 1, hello: helloHash(hello), grant: grantHash, address })
}
