import { type ClusterView, clusterView } from '../agent/cluster/view.ts'
import { gatewayDesk } from '../agent/gateway/desk.ts'
import { present, recordsOf } from '../protocol/cluster/membership.ts'
import { newsBytesMax, newsSchema } from '../protocol/cluster/news.ts'
import type { News } from '../protocol/cluster/news.ts'
import { fromBase64url } from '../protocol/fields.ts'
import { parseGrant } from '../protocol/grant.ts'
import { lend } from '../protocol/secret.ts'
import type { Agent } from '../services/gateway/agent-client.ts'
import type { Registry } from '../services/gateway/registry/registry.ts'
import { agentPort } from './agent.ts'
import type { Enrolled, GenesisFile } from './node-file.ts'
import type { World } from './world.ts'

export type DeskAgentOf = {
  readonly genesis: Enrolled<GenesisFile>
  readonly registry: Pick<Registry, 'members' | 'nodeTokens'>
  readonly log: (line: string) => void
}

/**
 * The agent's part for a gateway without a node: the same desk judges and seals, with the cluster's secret of the
 * genesis' file. What it knows lies in the registry; of the rest it hears from the members, over WireGuard.
 */
export async function deskAgent(world: World, of: DeskAgentOf): Promise<Agent> {
  const { genesis, registry, log } = of
  const record = recordOf(genesis)
  const membership = recordsOf(await registry.members.membership())
  const view = clusterView({ ...record, membership, endpoints: [] })
  const take = async (news: News) => {
    await view.hear(news)
    for (const { what, why } of await registry.members.add(news.membership, world.now()))
      log(`refused: ${what}: ${why}`)
  }
  const exchange = async () => {
    const heard = await exchangeNews(world, { ...of, view })
    if (heard !== undefined) await take(heard)
  }
  const desk = gatewayDesk({
    ...{ record: () => record, view, log },
    now: () => world.now(),
    // The gateway looks again after each join, and the nodes are told then.
    hear: take,
    withClusterSecret: use => lend(fromBase64url(genesis.clusterSecret), secret => use(secret as Buffer)),
  })
  return {
    cluster: desk.cluster,
    news: async () => {
      await exchange()
      return view.news()
    },
    tell: take,
    // No node waits for that here.
    met: () => Promise.resolve(),
    join: async admission => (await desk.join(admission)).completion,
    joined: async (hello, answer) => (await desk.joined({ hello, answer })).acknowledgement,
  }
}

/** What the desk has to know of its cluster. This machine's own WireGuard is not its business: no private key. */
function recordOf({ nodeId, cluster, grant, wireguard, enrolled }: Enrolled<GenesisFile>) {
  const { operatorAddress, operatorPublic, nodeAddress, prefix, listenPort } = wireguard
  const peers = [{ name: 'operator', publicKey: operatorPublic, address: operatorAddress }]
  const { authority } = parseGrant(grant.text)
  const network = { privateKey: '', address: nodeAddress, prefix, listenPort, peers }
  return { nodeId, cluster, authority, wireguard: network, agentToken: enrolled.agentToken }
}

const answerMs = 10_000
/** One that answers is enough: nodes tell each other. */
const messengersMax = 5

type ExchangeWith = DeskAgentOf & { readonly view: ClusterView }

/** Tells a member what is known here, and returns what it knows; undefined where none answers. */
async function exchangeNews(world: World, of: ExchangeWith): Promise<News | undefined> {
  const body = JSON.stringify(of.view.news())
  for (const { nodeId, address } of messengers(of))
    try {
      const token = await of.registry.nodeTokens.use(nodeId, bytes => Buffer.from(bytes).toString('hex'))
      if (token === undefined) continue
      const answer = await world.http({
        ...{ method: 'POST', url: `http://${address}:${agentPort}/v1/agent/news`, body },
        headers: { authorization: `Bearer ${token}` },
        ...{ timeoutMs: answerMs, bytesMax: newsBytesMax },
      })
      if (answer.status === 200) return newsSchema.parse(JSON.parse(answer.body))
      of.log(`node ${nodeId} takes no news: status ${answer.status}`)
    } catch {
      // It may be switched off, or this machine's tunnel may be down: the next one, and again at the next look.
    }
  return undefined
}

/** The genesis first: of the others one knows by it. */
function messengers({ genesis, view }: ExchangeWith) {
  const first = { nodeId: genesis.nodeId, address: genesis.wireguard.nodeAddress }
  const others = present(view.membership()).filter(one => one.nodeId !== first.nodeId)
  return [first, ...others].slice(0, messengersMax)
}
