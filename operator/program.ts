import { spawn } from 'node:child_process'
import { Failure } from './failure.ts'

export type ProgramOptions = { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> }

/** Runs a program by argv, never through a shell; returns its standard output. */
export type RunProgram = (
  program: string,
  args: readonly string[],
  options?: ProgramOptions,
) => Promise<string>

/** The Debian packages of the programs that `orama` uses. */
const packages: Readonly<Record<string, string>> = {
  'qemu-img': 'qemu-utils',
  'qemu-io': 'qemu-utils',
  mcopy: 'mtools',
  mmd: 'mtools',
}

const deadlineMs = 300_000
const outputBytesMax = 1024 * 1024

export const runProgram: RunProgram = (program, args, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: deadlineMs,
      cwd: options.cwd,
      env: { ...process.env, LC_ALL: 'C', ...options.env },
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (data: Buffer) => (out = (out + data.toString()).slice(-outputBytesMax)))
    child.stderr.on('data', (data: Buffer) => (err = (err + data.toString()).slice(-4096)))
    child.on('error', cause => {
      reject(missing(program, cause))
    })
    child.on('close', (status, signal) => {
      if (status === 0) resolve(out)
      else reject(new Failure('failed', `${program} ended with ${signal ?? String(status)}: ${err.trim()}`))
    })
  })

function missing(program: string, cause: Error): Failure {
  const name = packages[program]
  const hint = name === undefined ? undefined : `Install it: apt-get install ${name}`
  return new Failure('failed', `Cannot run '${program}'`, { cause, hint })
}
