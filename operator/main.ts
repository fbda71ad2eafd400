import { commands } from './commands.ts'
import { dispatch } from './dispatch.ts'
import { realWorld } from './world.ts'

// The `orama` command: everything it touches comes in by the world, everything it can do stands in the table.
process.exitCode = await dispatch(realWorld(), commands, process.argv.slice(2))
