import { parseGrant } from '../protocol/grant.ts'
import type { Address } from '../protocol/wallet.ts'
import { optional } from './command.ts'
import type { Input } from './command.ts'
import { findEnvironment } from './environments.ts'
import { withMessenger } from './messenger.ts'
import { findEnrolled } from './node-file.ts'
import { withMember } from './reach.ts'
import type { Reached } from './reach.ts'
import { signedIn, walletInput } from './sign-in.ts'
import type { Wallet } from './wallet.ts'
import type { World } from './world.ts'

/** Does something with a node of the cluster that answers. */
export type Visit = <T>(act: (reached: Reached) => Promise<T>) => Promise<T>

/** A cluster as this machine knows it, and how its nodes are reached. */
export type ClusterPlace = {
  readonly cluster: string
  readonly authority: Address
  /** The words of the command, with the wallet that signs there. */
  readonly input: Input
  /** With a wallet that is open already it need not be asked again to sign in. */
  readonly within: <T>(wallet: Wallet | undefined, use: (visit: Visit) => Promise<T>) => Promise<T>
}

/** The cluster of --env, by its gateways, or that of the node of --node-ip, over WireGuard. */
export async function findPlace(world: World, input: Input): Promise<ClusterPlace> {
  if (optional(input, 'env') === undefined) {
    const node = await findEnrolled(world, input)
    const { authority } = parseGrant(node.grant.text)
    return {
      ...{ cluster: node.cluster, authority, input },
      within: (_wallet, use) => use(act => withMember(node, act)),
    }
  }
  const environment = await findEnvironment(world, input)
  const { cluster, authority } = environment
  return {
    ...{ cluster, authority, input: walletInput(input, environment) },
    within: (wallet, use) =>
      signedIn({ world, input, environment, ...(wallet && { wallet }) }, token =>
        use(act => withMessenger(world, { environment, token }, act)),
      ),
  }
}
