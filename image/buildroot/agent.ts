import { join } from 'node:path'
import { buildAgent, npmNode } from '../agent.ts'
import { runtime } from '../rootfs/contents.ts'

/**
 * What Buildroot's package orama-agent runs in its copy of the repository: puts the agent into the named folder. Where
 * Node was compiled, the root of the tree that it was installed into is named too.
 */
const [folder, tree] = process.argv.slice(2)
if (folder === undefined) throw new RangeError('Cannot build the agent: name a folder')
await buildAgent(folder, process.env['TEST'] === '1', tree === undefined ? npmNode : installedNode(tree))

/** It needs the libraries beside it: this machine's can be older. */
function installedNode(tree: string) {
  const loader = [join(tree, 'lib64/ld-linux-x86-64.so.2'), '--library-path', join(tree, 'usr/lib')]
  return { program: join(tree, 'usr/bin', runtime), loader }
}
