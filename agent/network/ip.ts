import { log } from '../system/log.ts'
import type { Run } from '../system/run.ts'

/**
 * Several commands of ip(8) in one process, in their order; the first that fails ends it. No word may hold a space
 * or a quote. Throws ProgramError.
 */
export async function ip(run: Run, commands: readonly string[]): Promise<void> {
  for (const command of commands) log(`$ ip ${command}`)
  await run('ip', ['-batch', '-'], { input: commands.map(command => `${command}\n`).join(''), quiet: true })
}
