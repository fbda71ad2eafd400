import { proveInvite, signAsking } from '../protocol/cluster/invite.ts'
import type { JoinOffer } from '../protocol/cluster/joining.ts'
import { formatTime, fromBase64url } from '../protocol/fields.ts'
import { composeGrant, parseGrant } from '../protocol/grant.ts'
import { helloHash, nodeIdOf } from '../protocol/hello.ts'
import { signText } from '../protocol/wallet.ts'
import { grantLifeMs } from './grant.ts'
import type { Greeting } from './greet.ts'
import { hashOfToken } from './invite.ts'
import type { JoinedFile } from './node-file.ts'
import type { Ticket } from './ticket.ts'
import type { Wallet } from './wallet.ts'

export type Joining = {
  readonly greeting: Greeting
  readonly nodeIp: string
  readonly ticket: Ticket
  readonly offer: JoinOffer
  readonly now: Date
}

/** The file of a node that is about to join: a grant that its owner signed, and that the invite's holder means it. */
export function newJoinedFile(
  joining: Joining,
  by: { wallet: Wallet; earlier: JoinedFile | undefined },
): JoinedFile {
  const { greeting, nodeIp, ticket, now } = joining
  const { wallet, earlier } = by
  const text = composeJoin(joining)
  const grant = { text, signature: signText(text, wallet.privateKey) }
  return {
    v: 1,
    nodeId: nodeIdOf(fromBase64url(greeting.hello.identity)),
    nodeIp,
    cluster: ticket.environment.cluster,
    owner: wallet.address,
    hello: greeting.hello,
    grant,
    proof: proveInvite(ticket.token, text),
    asking: signAsking(ticket.token, grant),
    environment: ticket.environment.name,
    orderNumber: earlier?.orderNumber ?? 0,
    escrowNumber: earlier?.escrowNumber ?? 0,
    startedAt: formatTime(now),
  }
}

// Formatting takes as long on the node as the gateway waits for it.
const spareMs = 4 * 60_000

/** True for a file whose grant says what a new one would, and lives long enough: it may be under way already. */
export function isSameJoin({ hello, nodeIp: ip, grant: { text } }: JoinedFile, joining: Joining): boolean {
  const { gatewayKey, tokenHash: hash, expires } = parseGrant(text)
  return (
    helloHash(hello) === helloHash(joining.greeting.hello) &&
    ip === joining.nodeIp &&
    gatewayKey === joining.offer.gatewayKey &&
    hash === hashOfToken(joining.ticket.token) &&
    Date.parse(expires) - joining.now.getTime() > spareMs
  )
}

function composeJoin({ greeting, nodeIp, ticket, offer, now }: Joining): string {
  return composeGrant({
    kind: 'join',
    cluster: offer.cluster,
    authority: offer.authority,
    hello: helloHash(greeting.hello),
    code: greeting.code,
    nodeIp,
    gatewayKey: offer.gatewayKey,
    tokenHash: hashOfToken(ticket.token),
    issued: formatTime(now),
    expires: formatTime(new Date(now.getTime() + grantLifeMs)),
  })
}
