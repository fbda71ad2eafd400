import { join } from 'node:path'
import { build, type BuildOptions } from 'esbuild'

const projectRoot = join(import.meta.dirname, '..')

/** How everything of ours becomes one file: for the image's Node, without its types, the same from every folder. */
const options: BuildOptions = {
  absWorkingDir: projectRoot,
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs',
  minifySyntax: true,
  treeShaking: true,
  legalComments: 'none',
  logLevel: 'error',
}

export type Bundle = {
  readonly text: string
  /** Paths in this repository of the files that are in it. */
  readonly inputs: readonly string[]
}

/** A program of ours and all that it imports as one file; `entry` is its path in this repository. */
export async function bundle(entry: string, define: Readonly<Record<string, string>> = {}): Promise<Bundle> {
  const entryPoints = [join(projectRoot, entry)]
  const made = await build({ ...options, entryPoints, define, write: false, metafile: true })
  const text = made.outputFiles[0]?.text
  if (text === undefined) throw new Error(`Cannot bundle '${entry}': esbuild made nothing`)
  // esbuild leaves other letters in comments alone; without them V8 keeps the text in half the bytes.
  return { text: text.replace(/[^\0-\x7f]/g, '?'), inputs: Object.keys(made.metafile.inputs) }
}
