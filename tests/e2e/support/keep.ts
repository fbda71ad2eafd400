import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { run } from '../../../agent/system/run.ts'

/** What this file needs of a tap test. */
export type Test = {
  readonly name: string
  readonly passing: () => boolean
  readonly teardown: (handler: () => Promise<void>) => void
}

/** Something with files that tell what happened: a machine, or a network's folder. */
export type Keepable = { readonly files: Readonly<Record<string, string>> }

const copyTimeoutMs = 300_000

/**
 * Copies the files of machines (console transcript, TPM log, disk, variables) to dist/failed/<test>/ when the
 * test fails. Call it after `testFolder`: tap runs teardowns from the last to the first.
 */
export function keepOnFailure(t: Test, ...things: readonly Keepable[]): void {
  t.teardown(async () => {
    if (!t.passing()) await keep(t.name, things)
  })
}

async function keep(name: string, things: readonly Keepable[]): Promise<void> {
  const folder = resolve('dist/failed', folderName(name))
  await mkdir(folder, { recursive: true })
  for (const file of new Set(things.flatMap(({ files }) => Object.values(files)))) {
    // A machine that never started has not all of its files.
    await run('cp', ['--sparse=always', '--recursive', file, folder], { timeoutMs: copyTimeoutMs }).catch(
      (cause: unknown) => {
        process.stderr.write(`Cannot keep '${file}': ${String(cause)}\n`)
      },
    )
  }
  process.stderr.write(`Kept in ${folder}: what the machines of '${name}' left\n`)
}

/** A test's name as a folder name: at most 80 plain characters. */
export function folderName(name: string): string {
  return (
    name
      .replace(/[^a-zA-Z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 80) || 'test'
  )
}
