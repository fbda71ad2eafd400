import { createPrivateKey, X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type Certificate, fingerprintOf } from './certificate.ts'

/** Room for a chain. */
const fileBytesMax = 64 * 1024

/**
 * A certificate that was made elsewhere, such as a publicly valid one, with its key: PEM files, the key without a
 * passphrase. What follows the first certificate is sent along as its chain. Throws Error for a file that cannot be
 * read, SyntaxError for what is no certificate or key, RangeError for two that do not belong together.
 */
export async function readCertificate(files: {
  readonly certificate: string
  readonly key: string
}): Promise<Certificate> {
  const certificate = (await readLimited(files.certificate)).toString('latin1')
  const key = await readLimited(files.key)
  const parsed = inFile(files.certificate, 'certificate', () => new X509Certificate(certificate))
  const privateKey = inFile(files.key, 'key', () => createPrivateKey(key))
  if (!parsed.checkPrivateKey(privateKey))
    throw new RangeError(`Cannot use certificate '${files.certificate}': '${files.key}' is not its key`)
  return { key, certificate, fingerprint: fingerprintOf(parsed.raw) }
}

async function readLimited(path: string): Promise<Buffer> {
  await using file = await open(path)
  const room = Buffer.allocUnsafeSlow(fileBytesMax + 1)
  const { bytesRead } = await file.read(room, 0, room.length, 0)
  if (bytesRead > fileBytesMax) throw new RangeError(`Cannot read '${path}': more than ${fileBytesMax} bytes`)
  return room.subarray(0, bytesRead)
}

function inFile<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new SyntaxError(`Cannot read '${path}': it is no ${what} in PEM`, { cause })
  }
}
