import { createInterface } from 'node:readline'
import { within } from '../../../qemu/deadline.ts'
import type { Program } from '../../../qemu/program.ts'

/**
 * Reads the standard output of a program that goes on: each call waits for the next line that fits. Rejects at the
 * deadline, and when the program ends without it.
 */
export function outputOf(program: Program): (pattern: RegExp, deadlineMs: number) => Promise<string> {
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  return (pattern, deadlineMs) =>
    within(nextLine(lines, pattern), deadlineMs, `a line like ${String(pattern)}`)
}

async function nextLine(lines: AsyncIterator<string, unknown>, pattern: RegExp): Promise<string> {
  for (;;) {
    const { done, value } = await lines.next()
    if (done === true) throw new Error(`Cannot find ${String(pattern)}: the output has ended`)
    if (pattern.test(value)) return value
  }
}
