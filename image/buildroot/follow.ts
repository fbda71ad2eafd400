import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { cacheRoot } from '../cache.ts'
import type { Checkout } from './checkout.ts'
import { reasonOf } from './failure.ts'
import { makeArgs, type MakeEnvironment, makeEnvironment } from './make.ts'
import { type Progress, progressReader } from './progress.ts'

const tailLines = 400

export type Following = {
  readonly checkout: Checkout
  readonly output: string
  readonly env: MakeEnvironment
  readonly progress: Progress
}

/**
 * Builds everything, for hours: a line a package on standard error, the rest in a log. An error names the log and
 * the reason; the next build goes on where this one stopped.
 */
export async function followBuild({ checkout, output, env, progress }: Following): Promise<void> {
  const log = join(cacheRoot(), 'log/buildroot-build.log')
  await mkdir(dirname(log), { recursive: true })
  const file = createWriteStream(log)
  const child = spawn('make', makeArgs(output, ['all']), {
    cwd: checkout.folder,
    env: { ...process.env, ...makeEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close') as Promise<[number | null]>
  const read = progressReader(progress)
  const tail: string[] = []
  const take = async (stream: Readable) => {
    for await (const line of createInterface(stream)) {
      file.write(`${line}\n`)
      if (tail.push(line) > tailLines) tail.shift()
      const news = read(line)
      if (news !== undefined) process.stderr.write(`  … Buildroot: ${news}\n`)
    }
  }
  const [[status]] = await Promise.all([ended, take(child.stdout), take(child.stderr)])
  await new Promise(resolve => file.end(resolve))
  if (status !== 0)
    throw new Error(
      `Cannot build: ${reasonOf(tail, env['BR2_DL_DIR'] ?? 'BR2_DL_DIR')}. Buildroot ended with status ${String(status)}; its output is in ${log}; the same command goes on from there`,
    )
}
