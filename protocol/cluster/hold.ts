import * as z from 'zod'
import { clusterId, counter, nodeId, type SignedText, time } from '../fields.ts'
import { composeLines, parseLines } from '../lines.ts'
import { recoverSigner } from '../wallet.ts'
import { mayVouch, type Trust } from './trust.ts'

export const holdActions = ['hold', 'release'] as const

// A retired operator dates what it signs back; its numbers must not outdo those of operators who came after it.
const aheadMaxMs = 60_000

/** What an operator signs so that guardians keep a node's shares back, or give them again. */
export const holdSchema = z
  .strictObject({
    cluster: clusterId,
    node: nodeId,
    action: z.enum(holdActions),
    /** Of a node the highest counts: the time in milliseconds since 1970, at most a minute after `issued`. */
    number: counter.min(1),
    issued: time,
  })
  .refine(({ number, issued }) => number <= Date.parse(issued) + aheadMaxMs, 'number is ahead of its time')
export type Hold = z.infer<typeof holdSchema>

const form = { first: 'OramaOS hold v1', names: ['cluster', 'node', 'action', 'number', 'issued'] } as const

/** The text of a hold, as the wallet signs it. Throws for values that no hold may have. */
export function composeHold(hold: Hold): string {
  const { number, ...rest } = holdSchema.parse(hold)
  return composeLines(form, { ...rest, number: String(number) })
}

/** Reads the text of a hold. Throws SyntaxError unless `composeHold` would write exactly the same bytes. */
export function parseHold(text: string): Hold {
  if (text.length > 1024) throw new SyntaxError('Cannot read hold: it is too long')
  const { number, ...rest } = parseLines(form, text)
  const parsed = holdSchema.safeParse({ ...rest, number: Number(number) })
  if (!parsed.success) throw new SyntaxError(`Cannot read hold: ${z.prettifyError(parsed.error)}`)
  if (composeHold(parsed.data) !== text) throw new SyntaxError('Cannot read hold: not in its one spelling')
  return parsed.data
}

/** A hold or release that was checked, with what proves it. */
export type SignedHold = { readonly hold: Hold; readonly signed: SignedText }

/** One that was checked before, as it comes from the node's own disk: nothing of it is verified. */
export function readHold(signed: SignedText): SignedHold {
  return { hold: parseHold(signed.text), signed }
}

/** Throws SyntaxError or RangeError unless an operator of this cluster signed it. */
export function checkHold(signed: SignedText, trust: Trust): SignedHold {
  const found = readHold(signed)
  if (found.hold.cluster !== trust.cluster)
    throw new RangeError('Cannot accept hold: it is for another cluster')
  const { address } = recoverSigner(signed.text, signed.signature)
  if (!mayVouch(trust, address, found.hold.issued))
    throw new RangeError(`Cannot accept hold: signed by ${address}, who is no operator of this cluster`)
  return found
}

/** True where `one` counts and `other` does not. Of two with one number a hold does; all nodes choose alike. */
export function outdoes(one: SignedHold, other: SignedHold | undefined): boolean {
  if (other === undefined) return true
  if (one.hold.number !== other.hold.number) return one.hold.number > other.hold.number
  return one.signed.text < other.signed.text
}
