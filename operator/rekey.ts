import type { Command } from './command.ts'
import { sendOwnerCommand } from './owner-command.ts'
import { reachOptions } from './reach.ts'

export const nodeRekey: Command = {
  help: "give a node's disk a new key, so that old copies of its header open nothing; the owner's wallet signs",
  options: reachOptions,
  examples: ['orama node rekey --node-ip 192.0.2.7', 'orama node rekey --env home --node n5v7jxnqr3k2m4a6t'],
  async run(world, input) {
    const { name, answer } = await sendOwnerCommand(world, input, { action: 'rekey', values: {} })
    return {
      json: answer,
      text: `Node ${name} has a new disk secret and re-encrypts its disk; 'orama node status' says how far it is.`,
    }
  },
}
