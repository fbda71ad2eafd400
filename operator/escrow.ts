import type { Command } from './command.ts'
import { sendOwnerCommand } from './owner-command.ts'
import { reachOptions } from './reach.ts'

export const nodeEscrow: Command = {
  help: "give a node's disk secret back to its owner, where too few guardians are left; the owner's wallet signs",
  options: reachOptions,
  examples: [
    'orama node escrow --node-ip 192.0.2.7',
    'orama node escrow --env home --node n5v7jxnqr3k2m4a6t',
  ],
  async run(world, input) {
    const { name, answer } = await sendOwnerCommand(world, input, { action: 'escrow', values: {} })
    return {
      json: answer,
      text: `The disk secret of node ${name} is in escrow to its owner: 'orama node unlock' opens it from now on.`,
    }
  },
}
