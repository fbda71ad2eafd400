import { toBase64url } from '../protocol/fields.ts'
import { newKeyPair } from '../protocol/keys.ts'
import { acknowledgementAnswerSchema, acknowledgementContext } from '../protocol/requests.ts'
import type { AcknowledgementAnswer } from '../protocol/requests.ts'
import { openFrom } from '../protocol/seal.ts'
import { sameAddress } from '../protocol/wallet.ts'
import { agentUrl, askNode } from './agent.ts'
import { acknowledgedNode } from './complete.ts'
import type { Acknowledged } from './complete.ts'
import { Failure } from './failure.ts'
import type { GenesisFile, NodeFile } from './node-file.ts'
import { signOrder } from './order.ts'
import type { Wallet } from './wallet.ts'
import type { World } from './world.ts'

export type AcknowledgementQuestion<T extends NodeFile> = {
  readonly node: T
  readonly folder: string
  readonly wallet: Wallet
  /** Brings the request, as JSON, to the node. */
  readonly ask: (body: string) => Promise<AcknowledgementAnswer>
}

/** Asks an enrolled node once more, by an order of its owner, for its sealed acknowledgement. */
export async function fetchAcknowledgement<T extends NodeFile>(
  world: World,
  question: AcknowledgementQuestion<T>,
): Promise<Acknowledged<T>> {
  const { folder, wallet } = question
  if (!sameAddress(wallet.address, question.node.owner))
    throw new Failure(
      'usage',
      `The enrollment was begun by wallet ${question.node.owner}, this is ${wallet.address}`,
    )
  const { privateKey, publicKey } = newKeyPair('x25519')
  const ephemeral = toBase64url(publicKey)
  const request = { folder, wallet, action: 'acknowledge', values: { ephemeral } } as const
  const { node, order } = await signOrder(world, question.node, request)
  const answer = await question.ask(JSON.stringify({ order, ephemeral }))
  try {
    return acknowledgedNode(node, {
      open: () => openFrom(privateKey, acknowledgementContext, answer.box),
      now: world.now(),
    })
  } finally {
    privateKey.fill(0)
  }
}

/** Over WireGuard, where its owner is a peer of the node. */
export function overWireguard(world: World, node: GenesisFile): AcknowledgementQuestion<GenesisFile>['ask'] {
  return body =>
    askNode(world, {
      method: 'POST',
      url: agentUrl(node, 'acknowledgement'),
      body,
      answer: acknowledgementAnswerSchema,
    }).catch((error: unknown) => {
      throw explain(error, node)
    })
}

function explain(error: unknown, node: GenesisFile): unknown {
  if (!(error instanceof Failure) || error.exit !== 'unreachable') return error
  const hint = `Bring WireGuard up (orama node wg-config --node-ip ${node.nodeIp}), then run the same command again`
  return new Failure('unreachable', 'Cannot reach the node, neither in enrollment mode nor over WireGuard', {
    cause: error,
    hint,
  })
}
