import { readFile } from 'node:fs/promises'
import { moveSecret, secretBuffer } from '../../protocol/secret.ts'

/** A secret of up to 4,096 bytes that the agent has rendered, as it stands in the file; to be wiped. */
export async function readSecret(path: string): Promise<Buffer> {
  return moveSecret(await readFile(path))
}

/** A key of so many bytes, in a file of lower-case hex digits alone; to be wiped. Throws SyntaxError. */
export async function readKey(path: string, bytes: number): Promise<Buffer> {
  const text = await readSecret(path)
  try {
    if (text.length !== 2 * bytes || !text.every(isDigit))
      throw new SyntaxError(`Cannot read key '${path}': need ${2 * bytes} lower-case hex digits`)
    const key = secretBuffer(bytes)
    for (let at = 0; at < bytes; at++) key[at] = digit(text[2 * at]) * 16 + digit(text[2 * at + 1])
    return key
  } finally {
    text.fill(0)
  }
}

const [zero, nine, a, f] = [48, 57, 97, 102]

function isDigit(code: number): boolean {
  return (code >= zero && code <= nine) || (code >= a && code <= f)
}

function digit(code = zero): number {
  return code <= nine ? code - zero : code - a + 10
}
