import { open } from 'node:fs/promises'

/**
 * The ways in which bytes may lie about in memory or on a disk. Each is two needles, one for either half: what
 * was overwritten in part is a leak too.
 */
export type Forms = Readonly<Record<string, readonly Buffer[]>>

/** Raw, hex in both cases, base64 and base64url at the three places that a byte can have in a group of three. */
export function formsOf(secret: Buffer): Forms {
  const middle = secret.length / 2
  const texts: Record<string, string> = {
    hex: secret.toString('hex'),
    HEX: secret.toString('hex').toUpperCase(),
  }
  for (const encoding of ['base64', 'base64url'] as const)
    for (const before of [0, 1, 2]) texts[`${encoding}+${before}`] = encodedBehind(secret, before, encoding)
  return {
    raw: [secret.subarray(0, middle), secret.subarray(middle)],
    ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, halves(text)])),
  }
}

/** The digits that depend on the secret alone when `before` unknown bytes stand before it, and others behind. */
function encodedBehind(secret: Buffer, before: number, encoding: 'base64' | 'base64url'): string {
  const text = Buffer.concat([Buffer.alloc(before), secret]).toString(encoding)
  return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + secret.length) * 8) / 6))
}

function halves(text: string): Buffer[] {
  const middle = Math.floor(text.length / 2)
  return [Buffer.from(text.slice(0, middle)), Buffer.from(text.slice(middle))]
}

const stepBytes = 1024 * 1024
/** More than the longest needle. */
const overlapBytes = 128

type Needle = { readonly name: string; readonly form: string; readonly bytes: Buffer }

/** Which forms of each secret are in a file, each with the offset of its first find, as `raw@4096`. */
export async function findForms(
  path: string,
  secrets: Readonly<Record<string, Buffer>>,
): Promise<(name: string) => readonly string[]> {
  const needles = Object.entries(secrets).flatMap(([name, secret]) => needlesOf(name, secret))
  const found = new Map<string, number>()
  await eachStep(path, (step, offset) => {
    for (const { name, form, bytes } of needles) {
      const at = step.indexOf(bytes)
      if (at >= 0 && !found.has(`${name} ${form}`)) found.set(`${name} ${form}`, offset + at)
    }
  })
  return name =>
    [...found]
      .filter(([key]) => key.startsWith(`${name} `))
      .map(([key, at]) => `${key.slice(name.length + 1)}@${at}`)
}

function needlesOf(name: string, secret: Buffer): Needle[] {
  return Object.entries(formsOf(secret)).flatMap(([form, parts]) =>
    parts.map(bytes => ({ name, form, bytes })),
  )
}

/** Steps overlap, so that no needle is cut in two; those of zeros only are passed over. */
async function eachStep(path: string, use: (bytes: Buffer, offset: number) => void): Promise<void> {
  await using file = await open(path, 'r')
  const buffer = Buffer.alloc(stepBytes + overlapBytes)
  const zeros = Buffer.alloc(buffer.length)
  for (let offset = 0; ; offset += stepBytes) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
    const bytes = buffer.subarray(0, bytesRead)
    if (!bytes.equals(zeros.subarray(0, bytesRead))) use(bytes, offset)
    if (bytesRead < buffer.length) return
  }
}
