import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { probeAcceleration } from '../qemu/acceleration.ts'
import { clusterFigures } from './cluster.ts'
import { gatewayFigures } from './gateway.ts'
import { imageFigures } from './image.ts'
import { machineFigures } from './machine.ts'
import { sandboxFigures } from './sandbox.ts'
import { unlockFigures } from './unlock.ts'
import { asJson, asTable, type Values, withTable } from './table.ts'

/**
 * `make bench`: measures, prints a table and writes dist/bench.json. `node bench/main.ts image` measures one
 * group. `DOCS=1` also puts the table into docs/benchmarks.md; `COLD=1` also builds with an empty cache.
 */
const projectRoot = join(import.meta.dirname, '..')

const groups: Readonly<Record<string, () => Promise<Values>>> = {
  image: imageFigures,
  machine: machineFigures,
  sandbox: sandboxFigures,
  cluster: clusterFigures,
  unlock: unlockFigures,
  gateway: gatewayFigures,
}

async function main(wanted: readonly string[]): Promise<void> {
  let values: Values = {}
  for (const [name, measure] of Object.entries(groups)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    // One group that fails must not take away the figures of the others.
    values = { ...values, ...(await measure().catch(failed(name))) }
  }
  const table = asTable(values)
  process.stdout.write(`${await machineLine()}\n\n${table}`)
  await mkdir(join(projectRoot, 'dist'), { recursive: true })
  await writeFile(join(projectRoot, 'dist/bench.json'), `${JSON.stringify(asJson(values), null, 2)}\n`)
  if (process.env['DOCS'] === '1') await writeDocs(table)
}

function failed(group: string): (cause: unknown) => Values {
  return cause => {
    for (let e = cause; e instanceof Error; e = e.cause)
      process.stderr.write(`error: ${group}: ${e.message}\n`)
    process.exitCode = 1
    return {}
  }
}

/** The machine that this ran on, by cores and memory only. */
async function machineLine(): Promise<string> {
  const { accelerator } = await probeAcceleration()
  const guests = accelerator === 'kvm' ? 'guests under KVM' : 'guests under software emulation'
  return `Measured on ${availableParallelism()} cores, ${Math.round(totalmem() / 1024 ** 3)} GiB of memory, ${guests}.`
}

async function writeDocs(table: string): Promise<void> {
  const page = join(projectRoot, 'docs/benchmarks.md')
  const text = withTable(await readFile(page, 'utf8'), `${await machineLine()}\n\n${table}`)
  await writeFile(page, text)
}

const unknown = process.argv.slice(2).filter(name => !Object.hasOwn(groups, name))
if (unknown.length > 0) {
  process.stderr.write(`no such group: ${unknown.join(' ')}; there are: ${Object.keys(groups).join(' ')}\n`)
  process.exitCode = 2
} else await main(process.argv.slice(2))
