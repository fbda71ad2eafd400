import { randomBytes } from 'node:crypto'
import { crockfordBase32 } from './base32.ts'

/** The secret of a node's console: 6 characters of Crockford base32, 30 bits, guessed only at the node's slow rate. */
export function newClaimWord(): string {
  return crockfordBase32(randomBytes(4), 6)
}

/** What a person typed, as Crockford reads it: case, hyphens and spaces do not count, O is 0, I and L are 1. */
export function normalizeTyped(text: string): string {
  return text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
}
