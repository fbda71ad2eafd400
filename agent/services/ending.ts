import type { ExitStatus } from '../system/libc.ts'
import { describe } from '../system/log.ts'
import type { Manifest } from './manifest.ts'

export type StopSignal = Manifest['stop']['signal'] | 'KILL'

/** What the end of a service needs of the world. */
export type EndingWorld = {
  readonly kill: (name: string, signal: StopSignal) => Promise<void>
  /** Throws when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly log: (line: string) => void
}

/** A process that SIGKILL does not end hangs in the kernel; the others must not wait for it for ever. */
export const killWaitMs = 10_000

/** The manifest's signal, its grace, then SIGKILL. Resolves when the process has ended, or SIGKILL has not ended it. */
export async function stopInOrder(
  { manifest, world }: { readonly manifest: Manifest; readonly world: EndingWorld },
  exit: Promise<unknown>,
): Promise<void> {
  const { signal, graceS } = manifest.stop
  if (await endsWithin(world, exit, { name: manifest.name, signal, waitMs: graceS * 1000 })) return
  world.log(`${manifest.name}: did not stop within ${graceS} s, killed`)
  await endsWithin(world, exit, { name: manifest.name, signal: 'KILL', waitMs: killWaitMs })
}

export type Blow = { readonly name: string; readonly signal: StopSignal; readonly waitMs: number }

/** Sends the signal; true if the process ends in that time. */
export async function endsWithin(world: EndingWorld, exit: Promise<unknown>, blow: Blow): Promise<boolean> {
  await world.kill(blow.name, blow.signal).catch(noted(world, blow.name))
  const waiting = new AbortController()
  const late = world.sleep(blow.waitMs, waiting.signal).then(
    () => false,
    () => false,
  )
  const inTime = await Promise.race([exit.then(() => true), late])
  waiting.abort()
  return inTime
}

/** Goes on after an error, with a line in the log. */
export function noted({ log }: Pick<EndingWorld, 'log'>, name: string): (cause: unknown) => undefined {
  return cause => {
    log(`${name}: ${describe(cause)}`)
    return undefined
  }
}

/** How a process ended, for status and log. */
export function describeExit({ status, signal }: ExitStatus): string {
  return signal === null ? `status ${String(status)}` : `signal ${signal}`
}
