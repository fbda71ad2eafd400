import { spawn } from 'node:child_process'
import { ownChild } from './children.ts'
import { log } from './log.ts'

export type RunOptions = {
  /** Written to the program's standard input; may be a secret: it is neither printed nor kept. */
  readonly input?: Uint8Array | string
  readonly timeoutMs?: number
  /** Do not print the command line (for what runs every few seconds). */
  readonly quiet?: boolean
  /** Asks the program to end in order, by SIGTERM. */
  readonly interrupt?: AbortSignal
}

/** Runs a program and returns its standard output. See `run`. */
export type Run = (program: string, args: readonly string[], options?: RunOptions) => Promise<string>

/** A program that ended with a status other than 0, was killed (status null), or did not end in time. */
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
 * The one runner: argv, never a shell; printed before it runs; a deadline of 30 s unless told otherwise, for the
 * program and for the end of its output, which a child of its own may hold open.
 * Throws ProgramError with the end of standard error.
 */
export const run: Run = (program, args, options = {}) => {
  const { timeoutMs = 30_000 } = options
  if (options.quiet !== true) log(`$ ${[program, ...args].join(' ')}`)
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin', LC_ALL: 'C' },
    })
    ownChild(child)
    let why: string | undefined
    const stop = (reason: string) => {
      why ??= reason
      child.kill('SIGKILL')
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const late = setTimeout(stop, timeoutMs, `no end within ${timeoutMs} ms`)
    const interrupt = () => child.kill('SIGTERM')
    options.interrupt?.addEventListener('abort', interrupt, { once: true })
    if (options.interrupt?.aborted === true) interrupt()
    const out: Buffer[] = []
    const err: Buffer[] = []
    let bytes = 0
    const collect = (into: Buffer[]) => (data: Buffer) => {
      bytes += data.length
      if (bytes > outputBytesMax) stop(`more than ${outputBytesMax} bytes of output`)
      else into.push(data)
    }
    child.stdout.on('data', collect(out))
    child.stderr.on('data', collect(err))
    // A program may end without reading its input: its status says more than EPIPE.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input)
    child.on('error', cause => {
      clearTimeout(late)
      reject(new Error(`Cannot run '${program}'`, { cause }))
    })
    child.on('close', (status, signal) => {
      clearTimeout(late)
      options.interrupt?.removeEventListener('abort', interrupt)
      if (status === 0 && why === undefined) resolve(Buffer.concat(out).toString())
      else reject(failure(program, { status, signal, why, stderr: Buffer.concat(err).toString() }))
    })
  })
}

type End = {
  readonly status: number | null
  readonly signal: string | null
  readonly why: string | undefined
  readonly stderr: string
}

function failure(program: string, { status, signal, why, stderr }: End): ProgramError {
  const how = why ?? (signal === null ? `status ${String(status)}` : `killed by ${signal}`)
  return new ProgramError(
    `${program}: ${how}: ${stderr.trim().slice(-600)}`,
    why === undefined ? status : null,
  )
}
