import type { NamedEnvironment } from './environments.ts'
import { Failure } from './failure.ts'
import { askMembers } from './members.ts'
import { byGateway } from './reach.ts'
import type { Reached } from './reach.ts'
import type { World } from './world.ts'

// What is signed for a whole cluster any node takes and passes on as news; so it is sent to one that answers: one after
// the other is asked until one does.

export type MessengerOf = {
  readonly environment: NamedEnvironment
  readonly token: string
  /** The node that it is about, which need not hear of it. */
  readonly except?: string | undefined
}

/** Does something with a node that a gateway reaches; with the next one where it does not answer. Throws Failure. */
export async function withMessenger<T>(
  world: World,
  { environment, token, except }: MessengerOf,
  use: (reached: Reached) => Promise<T>,
): Promise<T> {
  const members = await askMembers(world, { environment, token })
  const messengers = members.filter(one => one.nodeId !== except)
  let lost: unknown = new Failure('failed', 'The cluster has no other node that could pass this on', {
    hint: 'A node that is alone has no guardians; its owner can have it leave: orama node leave',
  })
  for (const { nodeId: id } of messengers)
    try {
      return await use(byGateway(environment, token, { query: { node_id: id } }))
    } catch (error) {
      if (!isAway(error)) throw error
      lost = error
    }
  throw lost
}

/** What the gateway says of a node that does not answer or whose token it does not have, and a node that is not open. */
function isAway(error: unknown): boolean {
  return error instanceof Failure && away.includes(error.status)
}

const away: readonly (number | undefined)[] = [502, 503, 504]
