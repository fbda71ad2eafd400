import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'

/** Starts a service's program as its sandbox does; it is killed with the test, unless it has ended. */
export function startProgram(t: Pick<Test, 'teardown'>, program: string, args: readonly string[]) {
  const child = spawn(process.execPath, ['--no-warnings', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended }
}
