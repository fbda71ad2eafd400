import { join } from 'node:path'
import type { Test } from 'tap'
import { saveNode } from '../../operator/node-file.ts'
import { realWorld } from '../../operator/world.ts'
import type { SignedText } from '../../protocol/fields.ts'
import { proxyRoutes } from '../../services/gateway/proxy.ts'
import { someNodeId } from '../protocol/cluster/sample.ts'
import { cluster, withGateway } from './gateway.ts'
import { agentToken, answer, luksUuid, playNode } from './node.ts'
import type { Behaviour, PlayedNode } from './node.ts'
import { owner } from './support.ts'

/** A node that is on file as joined, with environment `home`. */
export async function keepJoined(
  config: string,
  { nodeId, hello }: PlayedNode,
  grant: SignedText = { text: 'x', signature: `0x${'0'.repeat(130)}` },
): Promise<void> {
  await saveNode(realWorld(), join(config, 'nodes'), {
    v: 1,
    nodeId,
    nodeIp: '192.0.2.8',
    cluster,
    owner,
    hello,
    grant,
    proof: { key: 'A'.repeat(43), signature: 'A'.repeat(86) },
    asking: 'A'.repeat(86),
    environment: 'home',
    address: '127.0.0.1',
    orderNumber: 0,
    escrowNumber: 0,
    startedAt: '2026-11-21T08:00:00Z',
    enrolled: { luksUuid, agentToken, at: '2026-11-21T08:00:00Z' },
  })
}

/** The gateway's own proxy before a node that is played, and one more member that is switched off. */
export async function proxied(t: Test, answers: NonNullable<Behaviour['answers']> = {}) {
  const node = await playNode(t, { answers })
  const away = { nodeId: someNodeId(1), address: '127.0.0.2', owner }
  const nodes = [away, { nodeId: node.nodeId, address: '127.0.0.1', owner }]
  const listed = { network: { address: '127.0.0.1', prefix: 24 }, nodes: () => nodes }
  const tokenOf = () => Promise.resolve(Buffer.from(agentToken, 'hex'))
  const routes = proxyRoutes({ cluster: listed, caller: { tokenOf, port: node.port } })
  const { gateway, config, setting } = await withGateway(t, {}, routes)
  return { node, away, nodes, gateway, config, setting }
}

/** What a status has at least. */
export const status = {
  version: '0.1.0',
  buildKind: 'development',
  test: true,
  slot: 'A',
  state: 'ready',
  since: '2026-11-21T08:00:00Z',
  identity: 'unsealed',
  secureBoot: true,
  watchdog: 'soft',
  uptimeS: 12.5,
  rootProcesses: [],
  services: { rqlite: { state: 'ready', since: '2026-11-21T08:00:00Z', restarts: 0 } },
}

export const statusAnswer = (changes: object = {}) => ({
  'GET /v1/agent/status': answer(200, { ...status, ...changes }),
})
