import type { RunOptions } from '../../../agent/system/run.ts'

/** The command lines of one call of a runner: those of a batch of ip(8) each for itself. */
export function commandsOf(
  program: string,
  args: readonly string[],
  options: RunOptions | undefined,
): string[] {
  if (args[0] !== '-batch') return [[program, ...args].join(' ')]
  const lines = String(options?.input ?? '').split('\n')
  return lines.filter(line => line !== '').map(line => `${program} ${line}`)
}
