import { openEscrow } from '../protocol/escrow.ts'
import { fromBase64url } from '../protocol/fields.ts'
import { sealTo } from '../protocol/seal.ts'
import { lend } from '../protocol/secret.ts'
import { isOfferOf, unlockContext, unlockOfferSchema } from '../protocol/unlock.ts'
import type { UnlockOffer, UnlockRequest } from '../protocol/unlock.ts'
import { z } from 'zod'
import { askNode } from './agent.ts'
import { isSet } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { Failure } from './failure.ts'
import { isGenesis, nodesFolder } from './node-file.ts'
import type { EnrolledNode } from './node-file.ts'
import { numbersAheadMax, signOrder } from './order.ts'
import { type Reached, reachOptions, withNodeAsOwner } from './reach.ts'
import { walletInputOf } from './sign-in.ts'
import { withWallet } from './wallet.ts'
import type { Wallet } from './wallet.ts'
import type { World } from './world.ts'

/** Opens a locked node's disk with the secret that is escrowed to the owner's wallet. */
export const nodeUnlock: Command = {
  help: 'open the disk of a locked node with your wallet, over WireGuard or by a gateway',
  options: {
    genesis: { help: 'for a genesis node: its secret is escrowed to your wallet' },
    ...reachOptions,
  },
  examples: [
    'orama node unlock --genesis --node-ip 10.0.0.1',
    'orama node unlock --env home --node nzq2x5mbkw4dkxyja',
  ],
  run: unlock,
}

// cryptsetup, a file system check and the mount are part of the answer.
const timeoutMs = 120_000
const answerSchema = z.object({ status: z.string().max(64) })

async function unlock(world: World, input: Input): Promise<Output> {
  return withNodeAsOwner(world, input, async reached => {
    const node = ownNode(reached, input)
    const offer = await askNode(world, {
      method: 'GET',
      ...reached.way('unlock'),
      answer: unlockOfferSchema,
    })
    checkOffer(offer, node)
    const folder = nodesFolder(world, input)
    const request = await withWallet(world, await walletInputOf(world, input), wallet =>
      answerOffer(world, offer, { node, folder, wallet }),
    )
    world.err('Sending the sealed secret; the node opens and checks its disk\n')
    const body = JSON.stringify(request)
    await askNode(world, { method: 'POST', ...reached.way('unlock'), body, answer: answerSchema, timeoutMs })
    return { json: { nodeId: node.nodeId, status: 'unlocked' }, text: `Node ${node.nodeId} is unlocked.` }
  })
}

/** What the owner has on file of the node: without that nobody can tell what it is right to open. */
function ownNode({ node, name }: Reached, input: Input): EnrolledNode {
  if (node?.enrolled === undefined)
    throw new Failure('usage', `Cannot unlock ${name}: this machine has no file of it`, {
      hint: 'Run this where the node was enrolled',
    })
  if (isGenesis(node) && !isSet(input, 'genesis'))
    throw new Failure('usage', 'Option --genesis is missing', {
      hint: 'Only escrowed secrets are opened by a wallet',
    })
  return { ...node, enrolled: node.enrolled }
}

function checkOffer(offer: UnlockOffer, node: EnrolledNode): void {
  const wrong = (what: string) =>
    new Failure('impostor', `Cannot unlock: ${what}`, { hint: 'Nothing was sent' })
  if (offer.nodeId !== node.nodeId) throw wrong(`node ${offer.nodeId} answered, not ${node.nodeId}`)
  // Whoever is between could else have the secret sealed to a key of theirs.
  if (!isOfferOf(offer, node.hello.identity))
    throw wrong(`node ${node.nodeId} did not sign this offer: somebody on the way has changed it`)
  if (offer.escrow.number < node.escrowNumber)
    throw wrong(
      `its escrow ${offer.escrow.number} is older than ${node.escrowNumber}, which it showed before`,
    )
  if (offer.number > node.orderNumber + numbersAheadMax) throw wrong('it counts its orders too far ahead')
}

type Answering = {
  readonly node: EnrolledNode
  readonly folder: string
  readonly wallet: Wallet
}

async function answerOffer(world: World, offer: UnlockOffer, by: Answering): Promise<UnlockRequest> {
  const box = await lend(openOffer(offer, by), secret =>
    sealTo(fromBase64url(offer.oneTimeKey), unlockContext(offer), secret),
  )
  const { folder, wallet } = by
  const seen = { ...by.node, escrowNumber: offer.escrow.number }
  const { node, order } = await signOrder(world, seen, {
    folder,
    wallet,
    action: 'unlock',
    values: { nonce: offer.nonce },
    lastNumber: offer.number,
  })
  // Another command may have seen a newer escrow while this one asked for the passphrase.
  checkOffer(offer, node)
  return { order, box }
}

function openOffer(offer: UnlockOffer, by: Answering): Buffer {
  const { nodeId, cluster, owner, enrolled } = by.node
  const expected = { cluster, nodeId, luksUuid: enrolled.luksUuid, number: offer.escrow.number, owner }
  try {
    return openEscrow(offer.escrow, by.wallet.privateKey, expected)
  } catch (cause) {
    throw new Failure('failed', "The node's escrow does not open", { cause, hint: 'Nothing was sent' })
  }
}
