import vectors from './vectors.json' with { type: 'json' }
import type { Hello } from '../../protocol/hello.ts'

// vectors.json was made by an independent program (Python, `cryptography`) from docs/enrollment.md.
export { vectors }

export const hello: Hello = { ...vectors.hello, v: 1 }
export const hexBytes = (hex: string) => Buffer.from(hex, 'hex')

/** Within the life of the sample hello and grant. */
export const now = new Date('2026-11-21T08:01:00Z')

/** The same text with its first character replaced by another one of the alphabet. */
export function tampered(text: string): string {
  return (text.startsWith('A') ? 'B' : 'A') + text.slice(1)
}

/** A copy of an object with one field changed, for tests that go through all fields. */
export function withField<T extends object>(value: T, name: string, field: unknown): T {
  return { ...value, [name]: field }
}

const order = BigInt('0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')

/** The other signature that the same key could have made of the same text: s in the upper half, the other v. */
export function highTwin(signature: string): string {
  const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
  return `${signature.slice(0, 66)}${s}${signature.endsWith('1b') ? '1c' : '1b'}`
}
