import { faultPoint } from '../system/faults.ts'
import { describe, log, uptimeS } from '../system/log.ts'

/** One step of the boot. What may fail says so: `required: false` is logged and the boot goes on. */
export type Phase<T> = {
  readonly name: string
  readonly required: boolean
  readonly run: (machine: T) => Promise<void> | void
}

/** Runs phases in their order, each logged with its time; a required one that fails ends the boot with its name. */
export async function runPhases<T>(phases: readonly Phase<T>[], machine: T): Promise<void> {
  for (const phase of phases) {
    await faultPoint(phase.name)
    const start = uptimeS()
    try {
      await phase.run(machine)
      log(`phase ${phase.name}: ${((uptimeS() - start) * 1000).toFixed(0)} ms`)
    } catch (cause) {
      if (phase.required) throw new Error(`phase ${phase.name} failed`, { cause })
      log(`phase ${phase.name} failed, going on: ${describe(cause)}`)
    }
  }
}
