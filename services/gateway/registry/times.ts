import { formatTime } from '../../../protocol/fields.ts'
import { grantMinutesMax } from '../../../protocol/grant.ts'

export const dayMs = 24 * 3_600_000

/** A moment as the registry stores it, some milliseconds after another. */
export function later(now: Date, ms: number): string {
  return formatTime(new Date(now.getTime() + ms))
}

/** When what an enrollment holds falls back. Throws RangeError for a time that is over, or lies after every grant's end. */
export function deadline(until: Date, now: Date): string {
  const leftMs = until.getTime() - now.getTime()
  if (!(leftMs > 0 && leftMs <= grantMinutesMax * 60_000))
    throw new RangeError(`Cannot hold anything until then: it must be within ${grantMinutesMax} minutes`)
  return formatTime(until)
}
