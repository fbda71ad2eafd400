import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheRoot } from './cache.ts'

/** Says on standard error what is being done and how long it took; a long step repeats its time. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`
  const still = setInterval(() => {
    process.stderr.write(`  … ${what}: ${seconds()}\n`)
  }, 30_000)
  try {
    const result = await work()
    process.stderr.write(`  ${what}: ${seconds()}\n`)
    return result
  } finally {
    clearInterval(still)
  }
}

export type ToolOptions = {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: Uint8Array | string
  /** The log's name in the cache folder's `log/`; the program's own name if absent. */
  readonly log?: string
  /** The statuses that are no failure; 0 if absent. */
  readonly statuses?: readonly number[]
}

/**
 * Runs a program of the build host: argv, no shell; both outputs go to a log file that an error names.
 * Returns standard output.
 */
export async function tool(
  program: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const log = join(cacheRoot(), 'log', `${options.log ?? program.replace(/.*\//, '')}.log`)
  await mkdir(dirname(log), { recursive: true })
  const file = createWriteStream(log)
  file.write(`$ ${[program, ...args].join(' ')}\n`)
  const output: Buffer[] = []
  const status = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      // mksquashfs refuses SOURCE_DATE_EPOCH beside the times that it is told.
      env: { ...process.env, SOURCE_DATE_EPOCH: undefined, LC_ALL: 'C', TZ: 'UTC', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdout.on('data', (data: Buffer) => {
      output.push(data)
      file.write(data)
    })
    child.stderr.on('data', (data: Buffer) => file.write(data))
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input)
    child.on('error', cause => {
      reject(new Error(`Cannot run '${program}': run 'make setup' first`, { cause }))
    })
    child.on('close', resolve)
  })
  await new Promise(resolve => file.end(resolve))
  if (status === null || !(options.statuses ?? [0]).includes(status))
    throw new Error(`Cannot go on: '${program}' ended with status ${String(status)}; its output is in ${log}`)
  return Buffer.concat(output).toString()
}
