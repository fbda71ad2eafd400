import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import { atExit } from './cleanup.ts'

export type Exit = { readonly status: number | null; readonly signal: NodeJS.Signals | null }

/** A program that runs beside us until it is stopped. */
export type Program = AsyncDisposable & {
  readonly pid: number
  readonly stdin: Writable
  readonly stdout: Readable
  readonly exited: Promise<Exit>
  /** The end of its standard error, for messages. */
  readonly complaint: () => string
  /** Calls back with `complaint()` now and whenever it has grown. */
  readonly onComplaint: (handler: (text: string) => void) => void
  /** SIGTERM, and SIGKILL if it is still there after `graceMs` (5,000); resolves when it has ended. */
  readonly stop: (graceMs?: number) => Promise<Exit>
  /** SIGKILL, unless it has ended; resolves when it has. */
  readonly kill: () => Promise<Exit>
}

export type ProgramOptions = {
  /** Network namespace to run in; needs root. */
  readonly namespace?: string
  readonly env?: Readonly<Record<string, string>>
  /** A file that its standard output is appended to; `stdout` of the program is then empty. */
  readonly outputFile?: string
}

type Child = ChildProcessByStdio<Writable, Readable | null, Readable>

const complaintBytesMax = 4096

/**
 * Starts a program by argv, never a shell. It cannot outlive this process: not an orderly end (`cleanup.ts`),
 * and not a SIGKILL either (`setpriv --pdeathsig`, in force some milliseconds after the
 * start, and lost by programs that change their user or group). Throws when it cannot be started.
 */
export async function startProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Program> {
  const child = launch(['setpriv', '--pdeathsig', 'KILL', '--', program, ...args], options)
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', cause => {
      reject(new Error(`Cannot start '${program}'`, { cause }))
    })
  })
  return watch(child)
}

function launch(argv: readonly string[], { namespace, env, outputFile }: ProgramOptions): Child {
  const [file, ...args] = namespace === undefined ? argv : ['ip', 'netns', 'exec', namespace, ...argv]
  if (file === undefined) throw new RangeError('Cannot start a program: no name')
  const output = outputFile === undefined ? 'pipe' : openSync(outputFile, 'a')
  try {
    const child = spawn(file, args, {
      // A group of its own: Ctrl-C at the terminal is for us, and we end the program in order.
      detached: true,
      stdio: ['pipe', output, 'pipe'],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...env },
    })
    if (child.stdin === null || child.stderr === null) throw new Error(`Cannot start '${file}': no pipes`)
    return child as Child
  } finally {
    if (typeof output === 'number') closeSync(output)
  }
}

function watch(child: Child): Program {
  let complaint = ''
  child.stderr.on('data', (data: Buffer) => {
    complaint = (complaint + data.toString()).slice(-complaintBytesMax)
  })
  // A program may end without reading what it was given: its status says more than EPIPE.
  child.stdin.on('error', () => undefined)
  const release = atExit(() => child.kill('SIGKILL'))
  const exited = new Promise<Exit>(resolve => {
    child.once('close', (status, signal) => {
      release()
      resolve({ status, signal })
    })
  })
  const stop = (graceMs = 5000) => stopChild(child, { exited, graceMs })
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    stdout: child.stdout ?? Readable.from([]),
    exited,
    complaint: () => complaint.trim(),
    onComplaint: handler => {
      handler(complaint)
      child.stderr.on('data', () => {
        handler(complaint)
      })
    },
    stop,
    kill: () => {
      child.kill('SIGKILL')
      return exited
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
    },
  }
}

async function stopChild(
  child: Child,
  { exited, graceMs }: { exited: Promise<Exit>; graceMs: number },
): Promise<Exit> {
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), graceMs)
  try {
    return await exited
  } finally {
    clearTimeout(kill)
  }
}

/** How a program ended, for messages. */
export function describeExit({ status, signal }: Exit): string {
  return signal === null ? `status ${String(status)}` : signal
}
