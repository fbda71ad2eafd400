import { formatTime, fromBase64url } from '../../../protocol/fields.ts'
import { composeOrder } from '../../../protocol/order.ts'
import {
  unlockContext,
  type UnlockOffer,
  unlockOfferSchema,
  type UnlockRequest,
} from '../../../protocol/requests.ts'
import { sealTo } from '../../../protocol/seal.ts'
import { signText } from '../../../protocol/wallet.ts'
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

/** The answer to a fresh offer: this secret, under an order signed with this private key; right in all else. */
export async function unlockRequest(
  site: Site,
  { secret, signer }: { readonly secret: Uint8Array; readonly signer: Uint8Array },
): Promise<UnlockRequest> {
  const offer = await fetchOffer(site)
  const { orderNumber } = await nodeFile(site)
  const text = composeOrder({
    node: offer.nodeId,
    action: 'unlock',
    arguments: { nonce: offer.nonce },
    number: Math.max(orderNumber, offer.number) + 1,
    expires: formatTime(new Date(Date.now() + lifeMs)),
  })
  const box = sealTo(fromBase64url(offer.oneTimeKey), unlockContext(offer), secret)
  return { order: { text, signature: signText(text, signer) }, box }
}

async function fetchOffer({ network }: Site): Promise<UnlockOffer> {
  return unlockOfferSchema.parse(JSON.parse(await network.exec('curl', ['-sf', '-m', '30', url])))
}

export type Answer = { readonly status: number; readonly body: unknown }

/** Posts a body to the unlock desk, with the agent's token, which is right. */
export function postUnlock(site: Site, body: unknown): Promise<Answer> {
  return postAgent(site, 'unlock', body)
}

/** Posts a body to a route of the agent, with its token, which is right. */
export async function postAgent(site: Site, route: string, body: unknown): Promise<Answer> {
  const { enrolled } = await nodeFile(site)
  // By a configuration file alone, quoted as JSON: so nothing of it is an argument.
  const config = [
    `header = "Authorization: Bearer ${enrolled?.agentToken ?? ''}"`,
    `data = ${JSON.stringify(JSON.stringify(body))}`,
  ]
  const flags = ['-s', '-m', '60', '-w', '\n%{http_code}', '-K', '-', `${agentUrl}/${route}`]
  const text = await site.network.exec('curl', flags, { input: config.join('\n'), timeoutMs: 70_000 })
  const end = text.lastIndexOf('\n')
  return { status: Number(text.slice(end)), body: JSON.parse(text.slice(0, end)) }
}
