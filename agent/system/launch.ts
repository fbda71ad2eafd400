import { spawn } from 'node:child_process'
import { ownChild } from './children.ts'
import { log } from './log.ts'

export type LaunchOptions = {
  /** Is given standard output and error; they outlive the launcher, whose child inherits them. */
  readonly onOutput: (stream: AsyncIterable<Uint8Array>) => void
  readonly timeoutMs: number
}

/** Starts a launcher and waits for its own end. Throws Error where that is not status 0 in time. */
export type Launch = (program: string, args: readonly string[], options: LaunchOptions) => Promise<void>

/**
 * Unlike `run` (run.ts), it does not wait for the end of the output: that is the service's. The streams are
 * sockets which the agent reads always, so a service never waits for a reader that is gone.
 */
export const launch: Launch = (program, args, options) => {
  log(`$ ${[program, ...args].join(' ')}`)
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      env: { PATH: '/usr/sbin:/usr/bin', LC_ALL: 'C' },
    })
    ownChild(child)
    options.onOutput(child.stdout)
    options.onOutput(child.stderr)
    child.on('error', cause => {
      reject(new Error(`Cannot run '${program}'`, { cause }))
    })
    child.on('exit', (status, signal) => {
      if (status === 0) resolve()
      else
        reject(
          new Error(`${program}: ${signal === null ? `status ${String(status)}` : `killed by ${signal}`}`),
        )
    })
  })
}
