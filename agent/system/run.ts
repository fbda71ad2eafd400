import { spawn } from 'node:child_process'
import { ownChild } from './children.ts'
import { log } from './log.ts'

export type RunOptions = {
  /** Written to the program's standard input; may be a secret: it is neither printed nor kept. */
  readonly input?: Uint8Array | string
  readonly timeoutMs?: number
  /** Do not print the command line (for what runs every few seconds). */
  readonly quiet?: boolean
}

/** Runs a program and returns its standard output. See `run`. */
export type Run = (program: string, args: readonly string[], options?: RunOptions) => Promise<string>

/** A program that ended with a status other than 0, was killed, or did not end in time. */
export class ProgramError extends Error {
  readonly status: number | null
  constructor(message: string, status: number | null) {
    super(message)
    this.name = 'ProgramError'
    this.status = status
  }
}

const outputBytesMax = 4 * 1024 * 1024

/**
 * The one runner: argv, never a shell; printed before it runs; a deadline of 30 s unless told otherwise.
 * Throws ProgramError with the end of standard error.
 */
export const run: Run = (program, args, options = {}) => {
  if (options.quiet !== true) log(`$ ${[program, ...args].join(' ')}`)
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 30_000,
      killSignal: 'SIGKILL',
      env: { PATH: '/usr/sbin:/usr/bin', LC_ALL: 'C' },
    })
    ownChild(child)
    const out: Buffer[] = []
    const err: Buffer[] = []
    let bytes = 0
    const collect = (into: Buffer[]) => (data: Buffer) => {
      bytes += data.length
      if (bytes > outputBytesMax) child.kill('SIGKILL')
      else into.push(data)
    }
    child.stdout.on('data', collect(out))
    child.stderr.on('data', collect(err))
    // A program may end without reading its input: its status says more than EPIPE.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input)
    child.on('error', cause => {
      reject(new Error(`Cannot run '${program}'`, { cause }))
    })
    child.on('close', (status, signal) => {
      if (status === 0) resolve(Buffer.concat(out).toString())
      else reject(failure(program, { status, signal, stderr: Buffer.concat(err).toString() }))
    })
  })
}

function failure(
  program: string,
  end: { status: number | null; signal: string | null; stderr: string },
): ProgramError {
  const how = end.signal === null ? `status ${String(end.status)}` : `killed by ${end.signal}`
  return new ProgramError(`${program}: ${how}: ${end.stderr.trim().slice(-600)}`, end.status)
}
