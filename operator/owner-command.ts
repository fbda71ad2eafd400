import { z } from 'zod'
import { askNode } from './agent.ts'
import type { Input } from './command.ts'
import { ownerOrder } from './owner-order.ts'
import type { Wanted } from './owner-order.ts'
import { withNode } from './reach.ts'
import { walletInputOf } from './sign-in.ts'
import type { World } from './world.ts'

export type OwnerCommand = Wanted & {
  /** What the command says besides its order; the order's arguments say it too. */
  readonly more?: object
}

/** Who was told, and what it answered. */
export type Told = { readonly name: string; readonly answer: unknown }

// A change of the disk's keyslots is part of some answers.
const timeoutMs = 60_000

/** Has the wallet of a node's owner sign an order, and sends it to the node that the command line means. */
export function sendOwnerCommand(world: World, input: Input, command: OwnerCommand): Promise<Told> {
  const { action, values, more = {} } = command
  return withNode(world, input, async reached => {
    const order = await ownerOrder(world, await walletInputOf(world, input), {
      reached,
      wanted: { action, values },
    })
    const [route, body] =
      action === 'leave' && reached.by === 'gateway'
        ? (['leave', { order, ...more }] as const)
        : (['command', { action, order, ...more }] as const)
    const question = { method: 'POST', ...reached.way(route), body: JSON.stringify(body) } as const
    const answer = await askNode(world, { ...question, answer: z.json(), timeoutMs })
    return { name: reached.name, answer }
  })
}
