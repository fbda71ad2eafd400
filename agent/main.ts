import { startupSnapshot } from 'node:v8'
import { runPhases } from './boot/phases.ts'
import { live } from './node/life.ts'
import { newMachine } from './node/machine.ts'
import { phases } from './node/phases.ts'
import { describe, log } from './system/log.ts'

/**
 * PID 1. The boot is the list of phases; then the node lives by its state. An error that gets here ends the
 * process, which panics the kernel, which reboots: systemd-boot counts the tries.
 */
async function main(): Promise<void> {
  const machine = newMachine()
  await runPhases(phases, machine)
  await live(machine)
}

function end(error: unknown): void {
  log(`fatal: ${describe(error)}`)
  process.exit(1)
}

function start(): void {
  // It mounts, formats and reboots: anywhere but in its own machine it does nothing.
  if (process.pid === 1) {
    process.on('uncaughtException', end)
    process.on('unhandledRejection', end)
    main().catch(end)
  } else {
    process.stderr.write('error: this is PID 1 of OramaOS; it does not run on another system\n')
    process.exitCode = 2
  }
}

// The image holds the heap of V8 after everything above is loaded (docs/decisions/0011); a boot begins here.
if (startupSnapshot.isBuildingSnapshot()) startupSnapshot.setDeserializeMainFunction(start)
else start()
