import { build } from 'esbuild'
import { join } from 'node:path'

const projectRoot = join(import.meta.dirname, '..')

/**
 * Bundles the agent into one CommonJS file. `ORAMA_TEST_BUILD` is a constant: in ordinary bundles the fault
 * injection behind it is dropped.
 */
export async function bundleAgent(file: string, test: boolean): Promise<void> {
  await build({
    entryPoints: [join(projectRoot, 'agent/main.ts')],
    outfile: file,
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
}
