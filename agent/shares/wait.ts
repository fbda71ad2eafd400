import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeRecord } from '../../protocol/record.ts'
import { lend } from '../../protocol/secret.ts'
import { type Opening, openingsInTurn } from '../../protocol/shares/opening.ts'
import { describe } from '../system/log.ts'
import { type Answers, collectSecret, describeCollected, describeMissing } from './collect.ts'
import type { Guardians } from './world.ts'

export type Waiting = {
  readonly record: () => NodeRecord
  readonly guardians: Pick<Guardians, 'release'>
  /** Opens the disk with a lent secret, which that way's keyslot takes. Rejects where it does not. */
  readonly open: (secret: Buffer, opening: Opening) => Promise<void>
  /** Hears who answered and who did not, after every round: in full for the log, and in brief. */
  readonly report: (line: string, brief?: string) => void
  readonly heard?: (answers: Answers) => void
  /** Ends the waiting: the disk was opened another way, or the node stops. */
  readonly signal: AbortSignal
  /** Tests wait for nothing. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

/** Between rounds, in seconds; then it begins anew. Up to half as much again, so that nodes do not ask in step. */
const pausesS = [1, 2, 4, 8, 16]

/**
 * Asks the guardians of each way to the disk, the newest first, again and again until one opens it; never gives up by
 * itself. Resolves at once where no way leads over guardians.
 */
export async function openByPeers(waiting: Waiting): Promise<void> {
  const { record, signal, pause = sleepFor } = waiting
  for (let round = 0; !signal.aborted; round++) {
    const ways = openingsInTurn(record().openings).filter(way => way.kind === 'shares')
    if (ways.length === 0) return
    for (const way of ways) if (await openOnce(waiting, way)) return
    const pauseMs = (pausesS[round % pausesS.length] ?? 1) * 1000 * (1 + Math.random() / 2)
    await pause(pauseMs, signal).catch(() => undefined)
  }
}

/** True when the disk is open, this way or another. */
async function openOnce(
  { record, guardians, open, report, heard, signal }: Waiting,
  way: Extract<Opening, { kind: 'shares' }>,
): Promise<boolean> {
  const { epoch } = way
  const collected = await collectSecret({ node: record().nodeId, epoch, guardians, signal })
  if (signal.aborted) {
    collected.secret?.fill(0)
    return true
  }
  heard?.(collected.answers)
  report(describeCollected(epoch, collected), describeMissing(epoch, collected))
  const { secret } = collected
  if (secret === undefined) return false
  try {
    await lend(secret, () => open(secret, way))
    return true
  } catch (cause) {
    report(`the secret of epoch ${epoch.number} does not open the disk: ${describe(cause)}`)
    return false
  }
}

function sleepFor(ms: number, signal: AbortSignal): Promise<unknown> {
  return sleep(ms, undefined, { signal })
}
