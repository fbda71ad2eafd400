import { mkdirSync } from 'node:fs'
import { mountAll } from '../../agent/boot/mounts.ts'
import { bindRoot } from '../../agent/services/crun.ts'
import { readManifests } from '../../agent/services/world.ts'
import { startReaper } from '../../agent/system/children.ts'
import { openConsoles } from '../../agent/system/console.ts'
import { reboot } from '../../agent/system/libc.ts'
import { addLogSink, describe, log } from '../../agent/system/log.ts'
import { run } from '../../agent/system/run.ts'
import { requestRatio } from './requests.ts'
import { runFolder, type Subject, subjectOf } from './subject.ts'
import { startRatio } from './starts.ts'

/**
 * PID 1 of a machine that only measures: the image's root file system, its kernel and the agent's own sandboxes,
 * with this program in the agent's place. Says one line `bench: {…}` and ends.
 */
async function main(): Promise<void> {
  mountAll()
  addLogSink(openConsoles())
  await run('ip', ['link', 'set', 'lo', 'up'])
  bindRoot(runFolder)
  mkdirSync('/run/config', { mode: 0o755 })
  const subject = await subjectOf(await rqlite(), startReaper())
  const sandbox_start_ratio = await startRatio(subject)
  log(`bench: ${JSON.stringify({ sandbox_start_ratio, rqlite_sandbox_ratio: await requestRatio(subject) })}`)
}

async function rqlite(): Promise<Subject['manifest']> {
  const found = (await readManifests()).find(({ name }) => name === 'rqlite')
  if (found === undefined) throw new Error('Cannot measure: the image has no rqlite')
  return found
}

if (process.pid === 1)
  main()
    .catch((error: unknown) => {
      log(`bench: failed: ${describe(error)}`)
    })
    .finally(() => {
      reboot('power-off')
    })
