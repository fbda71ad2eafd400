import { join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { closeHttp, serveHttp } from '../../http/server.ts'
import type { ClusterFacts } from '../../protocol/cluster/admission.ts'
import { type Agent, agentClient } from './agent-client.ts'
import { deriveCertificate, gatewayName as name } from './certificate.ts'
import { foundedAt } from './founded.ts'
import { gatewayKeyBytes } from './keys.ts'
import { poolOf } from './pool.ts'
import { keepToken } from './registry/node-tokens.ts'
import { onceThere } from './registry/once-there.ts'
import { registryOf, type UnpreparedRegistry } from './registry/registry.ts'
import { openRqlite } from './registry/rqlite.ts'
import { faultLine } from './request-log.ts'
import { readKey, readSecret } from './secret-file.ts'
import { signInKeys } from './sign-in.ts'
import { type Site, startGateway } from './start.ts'
import { healthRoutes } from './state-routes.ts'

/**
 * The gateway of a node. Arguments: the folder of the files that the agent has rendered, and the path of the agent's
 * Unix socket, which tells all that is no secret.
 */
const port = 443
/** On loopback, over plain HTTP: for the agent, which asks how the service is. */
const healthPort = 10_108
const rqlitePort = 10_100
const write = (line: string) => {
  process.stdout.write(`${line}\n`)
}
const report = (error: unknown) => {
  write(faultLine(error))
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`gateway: ${String(error)}`)
  process.exit(1)
})

async function main([configFolder, socketPath, ...more]: readonly string[]): Promise<void> {
  if (configFolder === undefined || socketPath === undefined || more.length > 0)
    throw new RangeError(
      'Cannot start: need the folder of the configuration and the path of a socket, no more',
    )
  const agent = agentClient({ socketPath, report })
  const facts = await agent.cluster()
  const key = await readKey(join(configFolder, 'gateway.key'), gatewayKeyBytes)
  const registry = await openShared(configFolder, facts, key)
  const site: Site = {
    ...{ address: '0.0.0.0', port, version: packageJson.version, origin: `https://${name}` },
    certificate: await certificateOf(agent, facts, key),
    signInKeys: signInKeys(key),
    offer: { cluster: facts.cluster, authority: facts.authority, gatewayKey: facts.gatewayKey },
    network: facts,
    ...{ registry, agent, write },
  }
  const gateway = await startGateway(site)
  key.fill(0)
  const routes = healthRoutes(gateway.standing)
  const health = await serveHttp({ address: '127.0.0.1', port: healthPort, routes, report })
  process.once('SIGTERM', () => {
    void Promise.all([closeHttp(health), gateway.close()])
      .then(() => registry.close())
      .then(() => process.exit(0))
  })
  // While too few of the registry's nodes run, owners can unlock theirs by this gateway.
  await onceThere(() => settle(registry, facts), { report })
  await gateway.refresh()
}

async function settle(registry: UnpreparedRegistry, { nodeId, agentToken }: ClusterFacts): Promise<void> {
  await registry.prepare(new Date())
  await keepToken(registry.nodeTokens, nodeId, agentToken)
}

async function openShared(
  configFolder: string,
  facts: ClusterFacts,
  gatewayKey: Buffer,
): Promise<UnpreparedRegistry> {
  const password = await readSecret(join(configFolder, 'rqlite.password'))
  const database = openRqlite({ nodes: [{ host: facts.address, port: rqlitePort }], password })
  password.fill(0)
  const { cluster, authority } = facts
  return registryOf({ database, cluster, authority, gatewayKey, pool: poolOf(facts) })
}

/** All nodes know the same genesis, and so make the same certificate. */
async function certificateOf(agent: Agent, { cluster }: ClusterFacts, key: Buffer) {
  const { membership } = await agent.news()
  const from = foundedAt(membership)
  const certificate = await deriveCertificate(key, { cluster, from, names: [name], addresses: [] })
  write(JSON.stringify({ time: new Date().toISOString(), certificate: certificate.fingerprint }))
  return certificate
}
