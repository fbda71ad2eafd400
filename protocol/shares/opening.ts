import * as z from 'zod'
import { counter } from '../fields.ts'
import { epochSchema } from './epoch.ts'

/** Of a LUKS2 header. */
const keyslot = z.int().min(0).max(31)

/** One way to a node's disk secret, and the keyslot that this secret opens. */
export const openingSchema = z.discriminatedUnion('kind', [
  /** Its owner has it: the escrow of this number. */
  z.strictObject({ kind: z.literal('escrow'), keyslot, number: counter.min(1) }),
  /** Its guardians have it: the shares of this epoch. */
  z.strictObject({ kind: z.literal('shares'), keyslot, epoch: epochSchema }),
])
export type Opening = z.infer<typeof openingSchema>

/**
 * How a node's disk opens, as its record says. `next` is there while one way takes the place of the other: from when
 * its keyslot works until that of `current` is destroyed, so that in between either opens.
 */
export const openingsSchema = z
  .strictObject({ current: openingSchema, next: openingSchema.optional() })
  .refine(({ current, next }) => current.keyslot !== next?.keyslot, 'both have one keyslot')
export type Openings = z.infer<typeof openingsSchema>

/** Those that there are, in the order in which they are tried: the newer first. */
export function openingsInTurn({ current, next }: Openings): readonly Opening[] {
  return next === undefined ? [current] : [next, current]
}

/** The epochs that guardians have to keep for these openings. */
export function epochsOf(openings: Openings): readonly z.infer<typeof epochSchema>[] {
  return openingsInTurn(openings).flatMap(one => (one.kind === 'shares' ? [one.epoch] : []))
}
