import { setImmediate } from 'node:timers/promises'

/** The watchdog, services and callers wait no longer than this, and one step. */
const sliceMs = 5

/**
 * Does work of many steps, and lets others do something every few milliseconds. Each step may say something, and is told
 * whether that was enough.
 */
export async function inSlices<Said, T>(
  steps: Generator<Said, T, boolean>,
  isEnough: (said: Said) => boolean = () => false,
): Promise<T> {
  let beganMs = performance.now()
  let step = steps.next(false)
  while (step.done !== true) {
    if (performance.now() - beganMs >= sliceMs) {
      await setImmediate()
      beganMs = performance.now()
    }
    step = steps.next(isEnough(step.value))
  }
  return step.value
}
