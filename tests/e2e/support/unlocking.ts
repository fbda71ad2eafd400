import { formatTime, fromBase64url } from '../../../protocol/fields.ts'
import { composeOrder, type Order } from '../../../protocol/order.ts'
import {
  unlockContext,
  type UnlockOffer,
  unlockOfferSchema,
  type UnlockRequest,
} from '../../../protocol/unlock.ts'
import { sealTo } from '../../../protocol/seal.ts'
import { signText } from '../../../protocol/wallet.ts'
import { postToAgent, type Said } from './agent-port.ts'
import type { Site } from './node.ts'
import { escrowOpener, nodeFile } from './wallet-file.ts'

const agentUrl = 'http://10.0.0.1:9998/v1/agent'
const url = `${agentUrl}/unlock`
const lifeMs = 10 * 60_000

/** The disk secret of a site's locked node, out of its escrow, as only the owner can have it. */
export async function fetchSecret(site: Site): Promise<Buffer> {
  const { escrow } = await fetchOffer(site)
  return (await escrowOpener(site))(escrow)
}

export type Unlocking = {
  readonly secret: Uint8Array
  /** The private key that signs the order. */
  readonly signer: Uint8Array
  readonly changes?: Partial<Order>
}

/** The answer to a fresh offer: this secret, under an order signed with this key; right in all that is not changed. */
export async function unlockRequest(
  site: Site,
  { secret, signer, changes = {} }: Unlocking,
): Promise<UnlockRequest> {
  const offer = await fetchOffer(site)
  const { orderNumber } = await nodeFile(site)
  const text = composeOrder({
    node: offer.nodeId,
    action: 'unlock',
    arguments: { nonce: offer.nonce },
    number: Math.max(orderNumber, offer.number) + 1,
    expires: formatTime(new Date(Date.now() + lifeMs)),
    ...changes,
  })
  const box = sealTo(fromBase64url(offer.oneTimeKey), unlockContext(offer), secret)
  return { order: { text, signature: signText(text, signer) }, box }
}

async function fetchOffer({ network }: Site): Promise<UnlockOffer> {
  return unlockOfferSchema.parse(JSON.parse(await network.exec('curl', ['-sf', '-m', '30', url])))
}

/** Posts a body to the unlock desk, with the agent's token, which is right. */
export function postUnlock(site: Site, body: unknown): Promise<Said> {
  return postToAgent(site, '/v1/agent/unlock', body)
}
