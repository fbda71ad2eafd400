import { joinOfferSchema } from '../protocol/cluster/joining.ts'
import type { JoinOffer } from '../protocol/cluster/joining.ts'
import { sameAddress } from '../protocol/wallet.ts'
import { askNode } from './agent.ts'
import type { Question } from './agent.ts'
import type { Environment } from './environments.ts'
import { Failure } from './failure.ts'
import type { Identity } from './tls.ts'
import type { World } from './world.ts'

/** Where gateways answer, and by which certificate they are known. */
export type Place = Pick<Environment, 'gateway' | 'fingerprint' | 'serverName'>

/** What is asked of a gateway: a path with its query, and the schema of the answer. */
export type GatewayQuestion<T> = Omit<Question<T>, 'url' | 'tls' | 'who'> & { readonly path: string }

/**
 * Asks a gateway over HTTPS. Throws Failure: 'impostor' for another certificate, else as `askNode` does. A certificate
 * that does not fit is found before anything is sent.
 */
export async function askGateway<T>(world: World, place: Place, question: GatewayQuestion<T>): Promise<T> {
  const { path, ...rest } = question
  const url = `${place.gateway}${path}`
  return askNode(world, { timeoutMs, ...rest, url, tls: identityOf(place), who: 'gateway' })
}

/** Its registry may be choosing a leader, right after a power cut of all. */
const timeoutMs = 30_000

export function identityOf({ fingerprint, serverName }: Place): Identity {
  return { fingerprint, serverName }
}

/** Of which cluster the gateways are. */
export function askOffer(world: World, place: Place): Promise<JoinOffer> {
  return askGateway(world, place, { method: 'GET', path: '/v1/node/enroll', answer: joinOfferSchema })
}

/** Throws Failure 'impostor' unless a gateway is of the cluster that is expected. */
export function checkOffer(offer: JoinOffer, expected: Pick<Environment, 'cluster' | 'authority'>): void {
  const wrong = (what: string, found: string, known: string) =>
    new Failure('impostor', `The gateway is of ${what} ${found}, not ${known}`, { hint: 'Nothing was sent' })
  if (offer.cluster !== expected.cluster) throw wrong('cluster', offer.cluster, expected.cluster)
  if (!sameAddress(offer.authority, expected.authority))
    throw wrong('authority', offer.authority, expected.authority)
}
