import { nodeId } from '../protocol/fields.ts'
import { commandSchema } from '../protocol/requests.ts'
import { endpoint } from '../protocol/wireguard.ts'
import type { Command, Input } from './command.ts'
import { Failure } from './failure.ts'
import { sendOwnerCommand } from './owner-command.ts'
import { reachOptions } from './reach.ts'

export const nodeEndpoints: Command = {
  help: "tell a node where others are, after all have moved at once; its owner's wallet signs",
  words: ['ID=IP:PORT…'],
  options: reachOptions,
  examples: [
    'orama node endpoints n5v7jxnqr3k2m4a6t=192.0.2.8:51820 --node-ip 10.0.0.1',
    'orama node endpoints n5v7jxnqr3k2m4a6t=192.0.2.8:51820 --env home --node nabcdefghij234567',
  ],
  async run(world, input) {
    const endpoints = readEndpoints(input)
    const command = { action: 'endpoints', values: endpoints, more: { endpoints } } as const
    const { name, answer } = await sendOwnerCommand(world, input, command)
    return { json: answer, text: `Node ${name} looks there, until they say themselves where they are.` }
  },
}

/** By node id. Throws Failure 'usage'. */
function readEndpoints({ words }: Input): Readonly<Record<string, string>> {
  const pairs = words.map(word => word.split('='))
  const found = Object.fromEntries(pairs.map(([id = '', where = '']) => [id, where]))
  const fits = pairs.every(
    ([id, where, ...rest]) =>
      rest.length === 0 && nodeId.safeParse(id).success && endpoint.safeParse(where).success,
  )
  const isOnce = Object.keys(found).length === pairs.length
  if (fits && isOnce && pairs.length > 0 && commandSchema.shape.endpoints.safeParse(found).success)
    return found
  throw new Failure('usage', 'Cannot read the endpoints', {
    hint: 'Give each node once, as ID=IP:PORT, such as n5v7jxnqr3k2m4a6t=192.0.2.8:51820; at most 64',
  })
}
