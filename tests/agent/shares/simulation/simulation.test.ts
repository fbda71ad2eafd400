import { randomInt } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { Report, Scenario } from './simulation.ts'

// ORAMA_SIM_SEED repeats a run, ORAMA_SIM_STEPS=10000 runs so many with a thousand nodes, half of them with each of two
// seeds: see docs/shares.md.
const seed = numberIn('ORAMA_SIM_SEED') ?? randomInt(2 ** 31)
const steps = numberIn('ORAMA_SIM_STEPS')

/** Small clusters are at the border of escrow and shares, and often have just enough holders. */
const scenarios: readonly Omit<Scenario, 'seed'>[] = [
  { nodes: 7, steps: 5000, waves: { count: 20, part: 0.2 }, loss: 0.02 },
  { nodes: 40, steps: 3000, waves: { count: 5, part: 0.1 }, loss: 0.003 },
  { nodes: 300, steps: 2000, waves: { count: 3, part: 0.1 }, loss: 0.0005 },
]
const full: Omit<Scenario, 'seed'> = {
  nodes: 1000,
  steps: Math.ceil((steps ?? 0) / 2),
  waves: { count: 3, part: 0.1 },
  loss: 0.0005,
}

/** What has to have happened at least once, lest a quiet simulation prove nothing. */
const expected = [
  ...['new epoch', 'power cut in a change', 'unlocked', 'waits for peers', 'join', 'leave', 'evict', 'die'],
  ...['partition', 'heal', 'clock', 'restart', 'crash', 'lost store', 'old store', 'rot', 'month'],
  ...['too few took a share', 'too few gave it back', 'refused to go'],
]

t.setTimeout(1_800_000)

const runs =
  steps === undefined
    ? scenarios.map(one => ({ ...one, seed }))
    : [seed, seed + 1].map(seed => ({ ...full, seed }))
const reports = runs.map(scenario => ({ scenario, report: simulated(scenario) }))
for (const { report } of reports) report.catch(() => undefined)

for (const { scenario, report } of reports)
  t.test(
    `seed ${scenario.seed}: ${scenario.nodes} nodes open their disks after each of ${scenario.steps} steps`,
    async t => {
      const { counts, startMs, ms } = await report
      const { join = 0 } = counts
      t.ok(join >= 0.3 * scenario.nodes, 'at least 30 % of the nodes were replaced')
      t.comment(
        `seed ${scenario.seed}, ${Math.round(startMs)} of ${Math.round(ms)} ms to start: ${JSON.stringify(counts)}`,
      )
    },
  )

if (steps === undefined)
  t.test(`seed ${seed}: everything that can happen has happened`, async t => {
    const all = (await Promise.all(reports.map(one => one.report))).map(one => one.counts)
    for (const what of expected)
      t.ok(
        all.some(counts => counts[what] !== undefined),
        what,
      )
  })

t.test('a seed makes the same things happen again', async t => {
  const scenario = { nodes: 6, steps: 300, waves: { count: 1, part: 0.2 }, loss: 0.02, seed }
  const [one, other] = await Promise.all([simulated(scenario), simulated(scenario)])
  t.same(one.counts, other.counts)
})

/** Runs a scenario in a thread of its own, which ends with it. */
function simulated(scenario: Scenario): Promise<Report> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: scenario })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => {
      reject(new Error('Cannot simulate: the thread ended without a report'))
    })
  })
}

function numberIn(name: string): number | undefined {
  const text = process.env[name]
  if (text === undefined || text === '') return undefined
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new RangeError(`Cannot use ${name}: not a number from 1`)
  return number
}
