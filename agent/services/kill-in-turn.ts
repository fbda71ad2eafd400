import type { Supervisor } from './supervisor.ts'

/** A constant of the bundle: see agent/system/faults.ts. */
declare const ORAMA_TEST_BUILD: boolean

export type Killing = {
  /** What the machine was told by its fw_cfg entry. */
  readonly fault: string
  readonly supervisor: Pick<Supervisor, 'status' | 'readyForMs'>
  /** SIGKILL, behind the supervisor's back. */
  readonly kill: (name: string) => Promise<void>
  readonly sleep: (ms: number) => Promise<unknown>
  readonly log: (line: string) => void
}

const lookAgainMs = 200
const steadyMs = 3000

/**
 * For the fault `kill@services` of test images: kills each service once, the next when all have been ready for a
 * while. No process of a node can do that from outside of PID 1. In other images: nothing.
 */
export async function killInTurn({ fault, supervisor, kill, sleep, log }: Killing): Promise<void> {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return
  if (fault !== 'kill@services') return
  for (const name of Object.keys(supervisor.status())) {
    while ((supervisor.readyForMs() ?? 0) < steadyMs) await sleep(lookAgainMs)
    log(`fault: ${fault}: ${name}`)
    const restarts = () => supervisor.status()[name]?.restarts ?? 0
    const before = restarts()
    await kill(name)
    while (restarts() === before) await sleep(lookAgainMs)
  }
}
