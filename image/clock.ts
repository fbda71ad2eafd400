import { tool } from './step.ts'

/** The time under which everything that insists on a time stamp is signed or written. */
const frozen = '2026-01-01 00:00:00'

/** Runs a program under a clock that stands still, so that what it writes is the same in every build. */
export function fixedClock(program: string, args: readonly string[]): Promise<string> {
  return tool('faketime', ['-f', frozen, program, ...args], { log: program })
}
