import { join } from 'node:path'
import { build } from 'esbuild'
import { run } from '../agent/system/run.ts'
import { workFolder } from '../qemu/folder.ts'
import { median } from './median.ts'
import type { Values } from './table.ts'
import type { Asker } from './unlock/asker.ts'
import { type Clevis, missingPackages, startClevis } from './unlock/clevis.ts'
import { collect, type Places } from './unlock/collect.ts'
import { startCrowd } from './unlock/many.ts'
import type { OnceInput } from './unlock/once.ts'
import { startGuardians } from './unlock/programs.ts'

const rounds = 20
const crowd = { count: 64, dead: 20, lying: 5 }
const crowdRounds = 9

/** Figures of an unlock by guardians, on this machine alone: no emulation, no WireGuard, no disk. */
export async function unlockFigures(): Promise<Values> {
  const unlock_64_20dead_ms = median(await crowdTimes())
  return { ...(await threeFigures()), unlock_64_20dead_ms }
}

async function crowdTimes(): Promise<number[]> {
  await using stack = new AsyncDisposableStack()
  const { asker, places } = await startCrowd(crowd, stack)
  return await timesOf(() => unlock(asker, places), crowdRounds)
}

/** Three guardians against three tang servers. */
async function threeFigures(): Promise<Values> {
  await using folder = await workFolder()
  await using stack = new AsyncDisposableStack()
  const { places, asker } = await startGuardians(folder.path, stack)
  const [well, lied] = [await asker(0), await asker(1)]
  const missing = await missingPackages()
  if (missing.length > 0) {
    skip(
      ['unlock_vs_clevis', 'unlock_process_vs_clevis', 'unlock_clevis_ms', 'unlock_clevis_liar_success'],
      missing,
    )
    const ours = await timesOf(() => unlock(well, places))
    return { unlock_collect_ms: median(ours), unlock_liar_success: await successes(lied, places) }
  }
  const clevis = await startClevis(folder.path, well.secret, stack)
  const program = await bundleOnce(folder.path)
  const alone = await asker(0)
  const racers = {
    ours: () => unlock(well, places),
    program: () => unlockByProgram(program, alone, places),
    theirs: clevis.decrypt,
  }
  return { ...(await speeds(racers)), ...(await liarFigures(lied, places, clevis)) }
}

function skip(figures: readonly (keyof Values)[], missing: readonly string[]): void {
  process.stderr.write(`skipped: ${figures.join(', ')}: not installed: ${missing.join(', ')}\n`)
}

type Racers = Readonly<Record<'ours' | 'program' | 'theirs', () => Promise<boolean>>>

/** In turn, so that what else the machine does meets all. */
async function speeds({ ours, program, theirs }: Racers): Promise<Values> {
  const times: Record<keyof Racers, number[]> = { ours: [], program: [], theirs: [] }
  for (let round = 1; round <= rounds; round++) {
    times.ours.push(...(await timesOf(ours, 1)))
    times.program.push(...(await timesOf(program, 1)))
    times.theirs.push(...(await timesOf(theirs, 1)))
  }
  const [unlock_collect_ms, unlock_clevis_ms] = [median(times.ours), median(times.theirs)]
  return {
    unlock_vs_clevis: unlock_collect_ms / unlock_clevis_ms,
    unlock_process_vs_clevis: median(times.program) / unlock_clevis_ms,
    unlock_collect_ms,
    unlock_clevis_ms,
  }
}

/** One file, as the agent and its services are. */
async function bundleOnce(folder: string): Promise<string> {
  const outfile = join(folder, 'once.mjs')
  const entryPoints = [join(import.meta.dirname, 'unlock/once.ts')]
  const target = { platform: 'node', target: 'node26', format: 'esm' } as const
  await build({ entryPoints, outfile, bundle: true, minify: true, ...target, logLevel: 'error' })
  return outfile
}

/** The same by a process of its own. */
async function unlockByProgram(file: string, asker: Asker, { addresses, port }: Places): Promise<boolean> {
  const { record, epoch, secret } = asker
  const input: OnceInput = { record, epoch, addresses: [...addresses], port }
  const args = ['--no-warnings', file]
  const said = await run(process.execPath, args, { input: JSON.stringify(input), quiet: true })
  return said === secret.toString('hex')
}

async function liarFigures(asker: Asker, places: Places, clevis: Clevis): Promise<Values> {
  await clevis.lie()
  const unlock_liar_success = await successes(asker, places)
  return { unlock_liar_success, unlock_clevis_liar_success: await countTrue(clevis.decrypt) }
}

function successes(asker: Asker, places: Places): Promise<number> {
  return countTrue(() => unlock(asker, places))
}

/** True where the right secret came. */
async function unlock(asker: Asker, places: Places): Promise<boolean> {
  const { secret } = await collect(asker, places)
  const isRight = secret?.equals(asker.secret) === true
  secret?.fill(0)
  return isRight
}

/** How often it succeeded in so many rounds. */
export async function countTrue(act: () => Promise<boolean>, times = rounds): Promise<number> {
  let count = 0
  for (let round = 1; round <= times; round++) count += (await act()) ? 1 : 0
  return count
}

/** Milliseconds of each round. Throws Error where one fails: the time of a failure is no figure. */
export async function timesOf(act: () => Promise<boolean>, times = rounds): Promise<number[]> {
  const all: number[] = []
  for (let round = 1; round <= times; round++) {
    const started = performance.now()
    if (!(await act())) throw new Error('Cannot time an unlock: it gave no secret')
    all.push(performance.now() - started)
  }
  return all
}
