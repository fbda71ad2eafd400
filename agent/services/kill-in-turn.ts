import type { StopSignal } from './ending.ts'
import type { Supervisor } from './supervisor.ts'

/** A constant of the bundle: see agent/system/faults.ts. */
declare const ORAMA_TEST_BUILD: boolean

export type Killing = {
  /** What the machine was told by its fw_cfg entry. */
  readonly faults: readonly string[]
  readonly supervisor: Pick<Supervisor, 'status' | 'readyForMs'>
  /** Behind the supervisor's back. */
  readonly kill: (name: string, signal: FaultSignal) => Promise<void>
  readonly sleep: (ms: number) => Promise<unknown>
  readonly log: (line: string) => void
}

/** SIGSTOP: the process is there, its ports are open, and it does nothing. */
export type FaultSignal = Extract<StopSignal, 'KILL'> | 'STOP'

const lookAgainMs = 200
const steadyMs = 3000
const signals: ReadonlyMap<string, FaultSignal> = new Map([
  ['kill@services', 'KILL'],
  ['hang@services', 'STOP'],
])

/**
 * For the faults of test images. `kill@services` kills each service once, the next when all have been ready for a
 * while; `hang@services` stops all of them at once, when they have, since it takes a while until that is seen. No
 * process of a node can do either from outside of PID 1. In other images: nothing.
 */
export async function killInTurn(killing: Killing): Promise<void> {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return
  const { faults, supervisor, kill, sleep, log } = killing
  const fault = faults.find(one => signals.has(one)) ?? ''
  const signal = signals.get(fault)
  if (signal === undefined) return
  for (const [index, name] of Object.keys(supervisor.status()).entries()) {
    if (signal === 'KILL' || index === 0) await untilSteady(killing)
    log(`fault: ${fault}: ${name}`)
    const restarts = () => supervisor.status()[name]?.restarts ?? 0
    const before = restarts()
    await kill(name, signal)
    while (signal === 'KILL' && restarts() === before) await sleep(lookAgainMs)
  }
}

async function untilSteady({ supervisor, sleep }: Killing): Promise<void> {
  while ((supervisor.readyForMs() ?? 0) < steadyMs) await sleep(lookAgainMs)
}
