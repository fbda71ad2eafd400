import * as z from 'zod'
import { clusterId, sha256Hex, type SignedText, time } from '../fields.ts'
import { composeLines, parseLines } from '../lines.ts'
import { recoverSigner } from '../wallet.ts'
import { mayVouch, type Trust } from './trust.ts'

/** What an operator signs to invite one node: whoever holds the token of this hash may enroll it until then. */
export const voucherSchema = z.strictObject({
  cluster: clusterId,
  tokenHash: sha256Hex,
  issued: time,
  expires: time,
})
export type Voucher = z.infer<typeof voucherSchema>

export const voucherHoursMax = 7 * 24

const form = {
  first: 'OramaOS invite voucher v1',
  names: ['cluster', 'token-hash', 'issued', 'expires'],
} as const

/** The text of a voucher, as the wallet signs it. Throws for values that no voucher may have. */
export function composeVoucher(voucher: Voucher): string {
  const { tokenHash, ...rest } = voucherSchema.parse(voucher)
  return composeLines(form, { ...rest, 'token-hash': tokenHash })
}

/** Reads the text of a voucher. Throws SyntaxError unless `composeVoucher` would write exactly the same bytes. */
export function parseVoucher(text: string): Voucher {
  if (text.length > 1024) throw new SyntaxError('Cannot read voucher: it is too long')
  const { 'token-hash': tokenHash, ...rest } = parseLines(form, text)
  const parsed = voucherSchema.safeParse({ ...rest, tokenHash })
  if (!parsed.success) throw new SyntaxError(`Cannot read voucher: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

/**
 * Checks that an operator of this cluster vouched for a token; not whether the voucher is still good: who uses it
 * compares its times. Throws SyntaxError for what is no voucher, RangeError for one that is worth nothing here.
 */
export function checkVoucher(signed: SignedText, trust: Trust): Voucher {
  const voucher = parseVoucher(signed.text)
  if (voucher.cluster !== trust.cluster)
    throw new RangeError('Cannot accept voucher: it is for another cluster')
  const { address } = recoverSigner(signed.text, signed.signature)
  if (!mayVouch(trust, address, voucher.issued))
    throw new RangeError(`Cannot accept voucher: signed by ${address}, who is no operator of this cluster`)
  const livesMs = Date.parse(voucher.expires) - Date.parse(voucher.issued)
  if (livesMs <= 0 || livesMs > voucherHoursMax * 3_600_000)
    throw new RangeError(`Cannot accept voucher: it must live at most ${voucherHoursMax} hours`)
  return voucher
}
