import { isAborted } from '../system/abort.ts'
import type { Manifest, ProbeKind } from './manifest.ts'

/** What probing needs of the world. */
export type ProbingWorld = {
  /** Must end by itself within the manifest's probeS. */
  readonly probe: (manifest: Manifest, kind: ProbeKind) => Promise<boolean>
  /** Throws where the service has no cgroup, since it does not run. */
  readonly usage: (name: string) => Usage
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

/** What a sandbox uses: memory now, processor time since it was made. */
export type Usage = { readonly memoryBytes: number; readonly cpuS: number }

const failedProbesMax = 3
/** Who has at least this share of a processor works: it is late, and not dead. */
const workingShare = 0.05
const workWindowMs = 10_000
/** Who works has so many times as long: on a machine with too much to do a restart makes more of it. */
const workingPatience = 4

/**
 * Asks a running service whether it is ready, then whether it still answers; one that works meanwhile is waited for
 * longer. Undefined when the signal is aborted, else why the service is given up. Throws only what `onReady` throws.
 */
export async function probeUntil(
  manifest: Manifest,
  world: ProbingWorld,
  { signal, patience, onProbe, onReady }: Probing,
): Promise<string | undefined> {
  const { startS, healthS, readyWithinS } = manifest.intervals
  const startedMs = world.nowMs()
  const work = watchWork(manifest.name, world)
  let failed = 0
  let ready = false
  while (!isAborted(signal)) {
    const good = await world.probe(manifest, ready ? 'health' : 'readiness').catch(() => false)
    if (isAborted(signal)) break
    onProbe(good)
    failed = good ? 0 : failed + 1
    const times = patience * (work() ? workingPatience : 1)
    if (good && !ready) {
      ready = true
      await onReady()
    }
    if (ready && failed >= failedProbesMax * times) return `hung: ${failed} probes failed`
    if (!ready && world.nowMs() - startedMs >= readyWithinS * times * 1000)
      return `not ready after ${readyWithinS * times} s`
    await world.sleep((ready ? healthS : startS) * 1000, signal).catch(() => undefined)
  }
  return undefined
}

/** Says with each probe whether the service works: by what it used in the last ten seconds or more. */
function watchWork(name: string, world: ProbingWorld): () => boolean {
  let before = { cpuS: 0, atMs: world.nowMs() }
  let isWorking = false
  return () => {
    const atMs = world.nowMs()
    if (atMs - before.atMs < workWindowMs) return isWorking
    const { cpuS } = usageIfThere(name, world) ?? before
    isWorking = (cpuS - before.cpuS) * 1000 >= (atMs - before.atMs) * workingShare
    before = { cpuS, atMs }
    return isWorking
  }
}

/** Undefined for a service that does not run. */
export function usageIfThere(name: string, { usage }: Pick<ProbingWorld, 'usage'>): Usage | undefined {
  try {
    return usage(name)
  } catch {
    return undefined
  }
}
