import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { launch } from '../../agent/system/launch.ts'
import { log } from '../../agent/system/log.ts'
import { run } from '../../agent/system/run.ts'
import { median } from '../median.ts'
import { endSandbox, type Subject } from './subject.ts'

const pairs = 9
const plainState = ['--root', '/run/plain', '--cgroup-manager=cgroupfs']
const startMs = 30_000

/**
 * How long the agent takes from the wish to the running program (folders, quota, templates, config.json, crun),
 * divided by how long crun alone takes with the same bundle. Medians of starts in turn.
 */
export async function startRatio(subject: Subject): Promise<number> {
  const ours: number[] = []
  const plain: number[] = []
  // The first pair reads the programs from the disk, and does not count.
  for (let pair = 0; pair <= pairs; pair += 1) {
    ours.push(await timeOurs(subject))
    plain.push(await timePlain(subject))
  }
  const [our, alone] = [median(ours.slice(1)), median(plain.slice(1))]
  log(`starts: ${our.toFixed(0)} ms, crun alone ${alone.toFixed(0)} ms`)
  return our / alone
}

async function timeOurs(subject: Subject): Promise<number> {
  const startedMs = performance.now()
  const pid = await subject.crun.start(subject.manifest)
  const tookMs = performance.now() - startedMs
  await endSandbox(subject, pid)
  await subject.data.startOver(subject.manifest.name)
  return tookMs
}

async function timePlain({ bundle, manifest, data, reaper, log: output }: Subject): Promise<number> {
  const pidFile = join(bundle, 'plain.pid')
  const args = [...plainState, 'run', '--detach', '--pid-file', pidFile, '-b', bundle, manifest.name]
  const startedMs = performance.now()
  await launch('crun', args, { timeoutMs: startMs, onOutput: stream => void output.consume(stream) })
  const tookMs = performance.now() - startedMs
  await run('crun', [...plainState, 'kill', manifest.name, 'KILL'])
  await reaper.exitOf(Number(await readFile(pidFile, 'utf8')))
  await run('crun', [...plainState, 'delete', '--force', manifest.name])
  await data.startOver(manifest.name)
  return tookMs
}
