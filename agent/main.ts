import { mountAll } from './boot/mounts.ts'
import { readImage } from './boot/image.ts'
import { type Phase, runPhases } from './boot/phases.ts'
import { startWatchdog } from './boot/watchdog.ts'
import { openConsoles } from './system/console.ts'
import { addLogSink, log } from './system/log.ts'

const phases: Phase<object>[] = [
  { name: 'mounts', required: true, run: mountAll },
  { name: 'console', required: true, run: () => void addLogSink(openConsoles()) },
  { name: 'watchdog', required: false, run: () => void startWatchdog() },
  { name: 'identity', required: true, run: async () => log(JSON.stringify(await readImage())) },
]

async function main() {
  await runPhases(phases, {})
  log('STATE blank')
}
main().catch((e: unknown) => {
  log(String(e))
  process.exit(1)
})
