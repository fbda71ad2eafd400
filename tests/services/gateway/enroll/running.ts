import type { Test } from 'tap'
import type { Routes } from '../../../../http/server.ts'
import { composeLogin, challengeSchema, tokensSchema } from '../../../../protocol/login.ts'
import { agentClient } from '../../../../services/gateway/agent-client.ts'
import { openRegistry, type Registry } from '../../../../services/gateway/registry/registry.ts'
import { openSqlite } from '../../../../services/gateway/registry/sqlite.ts'
import { signInKeys } from '../../../../services/gateway/sign-in.ts'
import { type Site, startGateway } from '../../../../services/gateway/start.ts'
import { unheard } from '../../../http/serving.ts'
import { authority, cluster, signedBy, type TestWallet } from '../../../protocol/cluster/sample.ts'
import { certificate, client, logBook } from '../gateway.ts'
import { gatewayKey } from '../samples.ts'
import { offer, playedAgent } from './played-agent.ts'
import { invited } from './played-waiting.ts'

export const origin = 'https://gateway.orama.internal'

export async function memoryRegistry(t: Test, path = ':memory:'): Promise<Registry> {
  const database = await openSqlite(path)
  const of = { database, cluster, authority: authority.address, gatewayKey }
  const registry = await openRegistry(of, new Date())
  t.teardown(() => registry.close())
  return registry
}

export type Running = {
  readonly changes?: Site['changes']
  /** Of the agent. */
  readonly routes?: Routes
  readonly registry?: Registry
  readonly agent?: Awaited<ReturnType<typeof playedAgent>>
}

const fast = { perSecond: 1000, burst: 1000, keysMax: 10 }
const unhurried = { any: fast, slow: fast }

/** A gateway as it runs on a node, on loopback, with a registry in memory and an agent that the test plays. */
export async function running(t: Test, { changes, routes, ...given }: Running = {}) {
  const registry = given.registry ?? (await memoryRegistry(t))
  const agent = given.agent ?? (await playedAgent(t, routes))
  const { write, logged } = logBook()
  const gateway = await startGateway({
    ...{ address: '127.0.0.1', port: 0, version: '0.1.0', origin, certificate, offer, registry, write },
    signInKeys: signInKeys(gatewayKey),
    network: { address: '10.0.0.1', prefix: 24 },
    agent: agentClient({ socketPath: agent.path, report: unheard }),
    changes: {
      rates: unhurried,
      ...changes,
      deliver: { whyNot: () => undefined, ...changes?.deliver },
    },
  })
  t.teardown(() => gateway.close())
  return { gateway, registry, agent, logged, ...client(gateway.port) }
}

type Asking = Pick<Awaited<ReturnType<typeof running>>, 'ask'>

export async function signedIn({ ask }: Asking, wallet: TestWallet = authority) {
  const post = (path: string, value: unknown) => ask('POST', path, { body: JSON.stringify(value) })
  const { body } = await post('/v1/operator/challenge', { address: wallet.address })
  const login = signedBy(wallet, composeLogin(challengeSchema.parse(JSON.parse(body))))
  const { token } = tokensSchema.parse(JSON.parse((await post('/v1/operator/login', login)).body))
  return { authorization: `Bearer ${token}` }
}

/** An invite that the registry knows. */
export async function storedInvite(registry: Registry, invite = invited()) {
  const { trust } = await registry.members.membership()
  await registry.invites.add(invite.voucher, { trust, now: new Date() })
  return invite
}
