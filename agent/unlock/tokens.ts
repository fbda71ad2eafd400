import * as z from 'zod'
import { escrowSchema, type Escrow } from '../../protocol/escrow.ts'
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
