import { isAborted } from '../system/abort.ts'
import type { Manifest, ProbeKind } from './manifest.ts'

/** What probing needs of the world. */
export type ProbingWorld = {
  /** Must end by itself within the manifest's probeS. */
  readonly probe: (manifest: Manifest, kind: ProbeKind) => Promise<boolean>
  /** A clock that nobody sets. */
  readonly nowMs: () => number
  /** Throws when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export type Probing = {
  /** Ends it: the process has ended, or is to be stopped. */
  readonly signal: AbortSignal
  /** So many times as long as the manifest says may an answer take. */
  readonly patience: number
  /** After each probe. */
  readonly onProbe: (good: boolean) => void
  /** After the first good one; from then on the service is asked whether it still lives. */
  readonly onReady: () => Promise<void>
}

const failedProbesMax = 3

/**
 * Asks a running service whether it is ready, then whether it still answers. Undefined when the signal is aborted, else
 * why the service is given up. Throws only what `onReady` throws.
 */
export async function probeUntil(
  manifest: Manifest,
  world: ProbingWorld,
  { signal, patience, onProbe, onReady }: Probing,
): Promise<string | undefined> {
  const { startS, healthS } = manifest.intervals
  const readyWithinS = manifest.intervals.readyWithinS * patience
  const probesMax = failedProbesMax * patience
  const startedMs = world.nowMs()
  let failed = 0
  let ready = false
  while (!isAborted(signal)) {
    const good = await world.probe(manifest, ready ? 'health' : 'readiness').catch(() => false)
    if (isAborted(signal)) break
    onProbe(good)
    failed = good ? 0 : failed + 1
    if (good && !ready) {
      ready = true
      await onReady()
    }
    if (ready && failed >= probesMax) return `hung: ${failed} probes failed`
    if (!ready && world.nowMs() - startedMs >= readyWithinS * 1000) return `not ready after ${readyWithinS} s`
    await world.sleep((ready ? healthS : startS) * 1000, signal).catch(() => undefined)
  }
  return undefined
}
