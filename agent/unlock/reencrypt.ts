import { readLuksHeader } from './header-read.ts'
import { inHeaderTurn, inLongHeaderTurn } from './header-turn.ts'
import { endReencryption } from './header-write.ts'
import type { Reencryption } from './reencryption.ts'
import { closeVolume, pbkdf, type Volume, withSecret } from './volume.ts'
import type { Run } from '../system/run.ts'

/** So much is held back from the node's services at a time, and is lost in none of its sectors when power is. */
const zone = ['--resilience', 'checksum', '--resilience-hash', 'sha256', '--hotzone-size', '16M']
const common = ['--type', 'luks2', '--batch-mode', '--disable-external-tokens']
/** The longest that a timer takes, 24 days. A stretch that hangs is the kernel's to report. */
const longestMs = 2 ** 31 - 1
const lookMs = 5000

/**
 * Gives a volume, open or not, a new key in its header, which this keyslot's secret opens in a further keyslot, and marks
 * it for re-encryption: from the one header write on it is `clean` at its start. Throws ProgramError.
 */
export async function beginReencryption(
  run: Run,
  { device, secret, keyslot }: { readonly device: string; readonly secret: Buffer; readonly keyslot: number },
): Promise<void> {
  const same = ['--cipher', 'aes-xts-plain64', '--key-size', '512', '--hash', 'sha256', ...pbkdf]
  const options = ['--init-only', ...common, ...same, ...zone, '--key-slot', String(keyslot)]
  await inHeaderTurn(device, () => withSecret(run, secret)(['reencrypt', ...options], [device]))
}

/**
 * Puts a zone right in which the power was cut, while the volume is closed: afterwards it is `clean`. cryptsetup reads
 * the header from the device here and not from a checked copy, since it has to write it. What it acts on it proves
 * itself: the digest over both keys, the segments before and after, and the way between them. Whoever exchanges the
 * header after its check can make none of these without both keys. Of what this opens nothing is mounted.
 * Throws ProgramError with status 2 for a wrong secret.
 */
export async function recoverVolume(
  run: Run,
  { device, name, secret }: Volume & { readonly secret: Buffer },
): Promise<void> {
  const passing = `${name}-recovery`
  await inHeaderTurn(device, async () => {
    await withSecret(run, secret)(['open', '--type', 'luks2', '--disable-external-tokens'], [device, passing])
    await closeVolume(run, passing)
  })
}

export type Reencrypting = Volume & {
  readonly run: Run
  /** Lent until the end: each stretch reads it anew. */
  readonly secret: Buffer
  /** Hears how much of the data has the new key, 0 ≤ x ≤ 1. */
  readonly report: (done: number) => void
  /** Ends the work in order, at the end of a zone. */
  readonly signal: AbortSignal
}

/**
 * Re-encrypts an open volume to its end, in stretches: between them others write the header. Resolves with false where
 * the signal has ended it before. Throws ProgramError, or Error where it cannot go on before the volume was closed.
 */
export async function reencrypt(of: Reencrypting): Promise<boolean> {
  let last = -1
  for (;;) {
    const { reencryption, dataBytes } = await readLuksHeader(of.device)
    if (reencryption === undefined) return true
    of.report(partOf(reencryption, dataBytes))
    if (of.signal.aborted) return false
    if (reencryption.kind === 'ended') {
      await inHeaderTurn(of.device, () => endReencryption(of.device))
      continue
    }
    if (reencryption.kind !== 'clean')
      throw new Error(`Cannot go on with the re-encryption: it is '${reencryption.kind}'`)
    const wasInterrupted = await stretch(of)
    if (!wasInterrupted && reencryption.doneBytes <= last)
      throw new Error('Cannot go on with the re-encryption: it does not come forward')
    last = reencryption.doneBytes
  }
}

/** One run of cryptsetup, until the end, or until others want the header. */
async function stretch({ run, device, name, secret, report, signal }: Reencrypting): Promise<boolean> {
  const look = setInterval(() => {
    // In the middle of a write it cannot be read: the next look will.
    void readLuksHeader(device).then(
      ({ reencryption, dataBytes }) => {
        if (reencryption !== undefined) report(partOf(reencryption, dataBytes))
      },
      () => undefined,
    )
  }, lookMs)
  const options = ['--resume-only', ...common, ...zone, '--active-name', name]
  try {
    return await inLongHeaderTurn(device, signal, async interrupt => {
      if (interrupt.aborted) return true
      const work = withSecret(run, secret, { interrupt, timeoutMs: longestMs })
      await work(['reencrypt', ...options], [device]).catch((cause: unknown) => {
        // Its status is 1 then. The header tells whether it ended in order.
        if (!interrupt.aborted) throw cause
      })
      return interrupt.aborted
    })
  } finally {
    clearInterval(look)
  }
}

/** How much of the data has the new key, 0 ≤ x ≤ 1. */
export function partOf({ kind, doneBytes }: Reencryption, dataBytes: number): number {
  return kind === 'ended' ? 1 : Math.min(1, doneBytes / dataBytes)
}
