import { once } from 'node:events'

/**
 * Whether a signal is aborted by now. A function, because the compiler believes that a property it has read stays
 * as it is, also across an `await`.
 */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

/** Resolves when the signal is aborted; at once where it is. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

/** Waits for the end of something, or no longer than this: then it goes on by itself. Rejects where it does before. */
export async function waitAtMost(act: Promise<unknown>, ms: number): Promise<void> {
  await Promise.race([act, untilAborted(AbortSignal.timeout(ms))])
}
