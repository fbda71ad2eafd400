import * as z from 'zod'
import { boxMoreBytes } from '../../protocol/aead.ts'
import { escrowSchema, type Escrow } from '../../protocol/escrow.ts'
import { base64url, fromBase64url, toBase64url } from '../../protocol/fields.ts'
import { signedRecordSchema, type SignedRecord } from '../../protocol/record.ts'
import type { LuksHeader } from './luks-header.ts'
import type { LuksToken } from './volume.ts'

/** The enrollment record as a LUKS2 token: the fields of SignedRecord beside those that LUKS2 wants. */
export function nodeToken(signed: SignedRecord): LuksToken {
  return { type: 'orama-node', keyslots: [], ...signed }
}

export function escrowToken(escrow: Escrow): LuksToken {
  return { type: 'orama-escrow', keyslots: [], escrow }
}

/** Of what the box of token `orama-shares` holds. */
export const sharesBytesMax = 128 * 1024

/** The shares that this node holds for others, in a box that only its agent opens. */
export function sharesToken(box: Uint8Array): LuksToken {
  return { type: 'orama-shares', keyslots: [], v: 1, box: toBase64url(box) }
}

/**
 * The enrollment record of a header, before anything is open: its MAC cannot be checked yet, so it may start
 * WireGuard and the waiting for a secret, but no format, escrow or re-share. Throws SyntaxError with the reason
 * where there is none, it is malformed, or it belongs to another volume.
 */
export function readNodeToken(header: LuksHeader): SignedRecord {
  const token = header.metadata.tokens['0']
  if (token === undefined) throw new SyntaxError('Cannot read orama-node: the header has no such token')
  const result = signedRecordSchema.safeParse(bodyOf(token))
  if (!result.success) throw malformed(token.type, result.error.issues)
  if (result.data.record.luksUuid !== header.uuid)
    throw new SyntaxError(`Cannot use ${token.type}: it was written for another volume`)
  return result.data
}

/** The escrowed secret of a header; undefined where there is none. Throws SyntaxError for a malformed one. */
export function readEscrowToken(header: LuksHeader): Escrow | undefined {
  const token = header.metadata.tokens['1']
  if (token === undefined) return undefined
  const result = z.strictObject({ escrow: escrowSchema }).safeParse(bodyOf(token))
  if (!result.success) throw malformed(token.type, result.error.issues)
  return result.data.escrow
}

const sharesSchema = z.strictObject({
  v: z.literal(1),
  box: base64url({ max: sharesBytesMax + boxMoreBytes }),
})

/** The box of shares of a header; undefined where there is none. Throws SyntaxError for a malformed one. */
export function readSharesToken(header: LuksHeader): Buffer | undefined {
  const token = header.metadata.tokens['2']
  if (token === undefined) return undefined
  const result = sharesSchema.safeParse(bodyOf(token))
  if (!result.success) throw malformed(token.type, result.error.issues)
  return fromBase64url(result.data.box)
}

/** What is left of a token without the two fields that LUKS2 itself wants. */
function bodyOf(token: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(token).filter(([name]) => name !== 'type' && name !== 'keyslots'))
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string }

function malformed(type: string, [issue]: readonly Issue[]): SyntaxError {
  return new SyntaxError(
    `Cannot read ${type}: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`,
  )
}
