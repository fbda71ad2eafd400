import { buildAgent } from '../agent.ts'

/** What Buildroot's package orama-agent runs in its copy of the repository: puts the agent into the named folder. */
const [folder] = process.argv.slice(2)
if (folder === undefined) throw new RangeError('Cannot build the agent: name a folder')
await buildAgent(folder, process.env['TEST'] === '1')
