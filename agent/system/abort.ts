/**
 * Whether a signal is aborted by now. A function, because the compiler believes that a property it has read stays
 * as it is, also across an `await`.
 */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}
