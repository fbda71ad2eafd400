import { existsSync, renameSync, writeFileSync } from 'node:fs'

/** While its data is being set up, and from then on. */
const [half, whole] = ['half-made', 'set-up'] as const
/** So often it is asked whether it is ready before it is. */
const questions = 12

export type SetUp = {
  /** A step of the work at each question; whether it is done. */
  readonly goOn: () => boolean
  readonly isDone: () => boolean
}

/**
 * The set-up of a program that cannot go on where it was cut off, as some databases: its data, on the disk at once, is
 * half made for a while, and a start with half-made data fails.
 */
export function beginSetUp(): SetUp {
  if (existsSync(half)) throw new Error('the data is half made')
  let left = existsSync(whole) ? 0 : questions
  if (left > 0) writeFileSync(half, '', { flush: true })
  return {
    goOn: () => {
      if (left === 0) return true
      left -= 1
      if (left === 0) renameSync(half, whole)
      return left === 0
    },
    isDone: () => left === 0,
  }
}
