import { z } from 'zod'
import { askNode } from './agent.ts'
import { isSet } from './command.ts'
import type { Command } from './command.ts'
import { ownerOrder } from './owner-order.ts'
import { reachOptions, withNode } from './reach.ts'
import { walletInputOf } from './sign-in.ts'

export const nodeLeave: Command = {
  help: "have a node leave its cluster for good: its data cannot be read afterwards; its owner's wallet signs",
  options: {
    ...reachOptions,
    force: { help: 'although some nodes could not be told' },
  },
  examples: ['orama node leave --node-ip 192.0.2.7', 'orama node leave --env home --node n5v7jxnqr3k2m4a6t'],
  async run(world, input) {
    return withNode(world, input, async reached => {
      const values: Record<string, string> = isSet(input, 'force') ? { force: 'yes' } : {}
      const signing = await walletInputOf(world, input)
      const order = await ownerOrder(world, signing, { reached, wanted: { action: 'leave', values } })
      const [route, body] =
        reached.by === 'gateway'
          ? (['leave', { order }] as const)
          : (['command', { action: 'leave', order }] as const)
      const question = { method: 'POST', ...reached.way(route), body: JSON.stringify(body) } as const
      const answer = await askNode(world, { ...question, answer: z.json(), timeoutMs: 60_000 })
      return {
        json: answer,
        text: `Node ${reached.name} has the order to leave its cluster; its console says when it is done.`,
      }
    })
  },
}
