import { isSet } from './command.ts'
import type { Command } from './command.ts'
import { sendOwnerCommand } from './owner-command.ts'
import { reachOptions } from './reach.ts'

export const nodeLeave: Command = {
  help: "have a node leave its cluster for good: its data cannot be read afterwards; its owner's wallet signs",
  options: {
    ...reachOptions,
    force: {
      help: 'although some nodes could not be told, or another would have too few holders of its shares left',
    },
  },
  examples: ['orama node leave --node-ip 192.0.2.7', 'orama node leave --env home --node n5v7jxnqr3k2m4a6t'],
  async run(world, input) {
    const values: Readonly<Record<string, string>> = isSet(input, 'force') ? { force: 'yes' } : {}
    const { name, answer } = await sendOwnerCommand(world, input, { action: 'leave', values, more: values })
    return {
      json: answer,
      text: `Node ${name} has the order to leave its cluster; its console says when it is done.`,
    }
  },
}
