import { networkInterfaces } from 'node:os'
import { closeHttp } from '../../http/server.ts'
import type { JoinOffer } from '../../protocol/cluster/joining.ts'
import { secretBuffer } from '../../protocol/secret.ts'
import type { GatewayRoutes, Network } from './access.ts'
import type { Agent } from './agent-client.ts'
import { auditRoutes } from './audit-routes.ts'
import { type Note, note } from './audit-trail.ts'
import type { Certificate } from './certificate.ts'
import { type ClusterState, openClusterState } from './cluster-state.ts'
import { type CallDesk, callDesk, type CallLimits } from './enroll/call-desk.ts'
import { whyNotCallable } from './enroll/callable.ts'
import type { DeliverWith } from './enroll/deliver.ts'
import { enrollRoutes } from './enroll/routes.ts'
import { inviteRoutes } from './invite-routes.ts'
import { operatorRoutes } from './operator-routes.ts'
import { proxyRoutes } from './proxy.ts'
import { refresher } from './refresher.ts'
import type { Registry } from './registry/registry.ts'
import { faultLine } from './request-log.ts'
import { type Gateway, serveGateway } from './server.ts'
import { type SignIn, signInDesk, type SignInKeys } from './sign-in.ts'
import { signInStore } from './sign-in-store.ts'

/** A gateway's place in the world; main.ts has that of a node. */
export type Site = {
  readonly address: string
  readonly port: number
  readonly version: string
  /** Under which operators sign in: `https://` and the name of the certificate. */
  readonly origin: string
  readonly certificate: Certificate
  readonly signInKeys: SignInKeys
  readonly offer: JoinOffer
  /** The cluster's WireGuard network. */
  readonly network: Network
  /** The caller's to close. */
  readonly registry: Registry
  readonly agent: Agent
  /** One line of JSON at a time, without newline. */
  readonly write: (line: string) => void
  /** What tests change. */
  readonly changes?: {
    readonly now?: () => Date
    readonly everyMs?: number
    readonly deliver?: Partial<DeliverWith>
    readonly calls?: Partial<CallLimits>
    readonly rates?: Gateway['rates']
    readonly registryPatienceMs?: number
  }
}

export type RunningGateway = {
  readonly port: number
  readonly standing: Gateway['standing']
  /** Looks at registry and agent now; never rejects. */
  readonly refresh: () => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * Starts a gateway: from then on it answers, and keeps registry and agent in step; without the registry it does what
 * needs none. Rejects where the agent does not answer, or the port is not to be had.
 */
export async function startGateway(site: Site): Promise<RunningGateway> {
  const { registry, agent, write, changes = {} } = site
  const { now = () => new Date() } = changes
  const report = (error: unknown) => {
    write(faultLine(error))
  }
  const { cluster, authority } = site.offer
  const state = await openClusterState({ of: { cluster, authority }, registry, agent, now, report })
  const { everyMs } = changes
  const kept = refresher(state.refresh, { ...(everyMs === undefined ? {} : { everyMs }), report })
  const calls = callDesk({ now, limits: changes.calls ?? {} })
  const { version, origin, network, signInKeys: keys } = site
  const standing = {
    ...{ version, cluster, uptimeS: () => performance.now() / 1000 },
    trouble: () =>
      Promise.resolve(kept.trouble() ?? (state.isAlone() ? 'the registry does not answer' : undefined)),
  }
  const store = signInStore(registry, now)
  const signIn = signInDesk({
    cluster,
    audience: origin,
    keys,
    trust: state.trust,
    store,
    now,
  })
  const { address, port, certificate } = site
  const routes = routesOf(site, { state, refresh: kept.refresh, signIn, calls, now, report })
  const served = {
    address,
    port,
    certificate,
    network,
    signIn,
    standing,
    routes,
    write,
    upgrade: calls.upgrade,
  }
  const server = await serveGateway({ ...served, ...(changes.rates && { rates: changes.rates }) })
  // Where the port is not to be had, nothing is left behind.
  kept.start()
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    standing,
    refresh: kept.refresh,
    close: async () => {
      kept.stop()
      calls.close()
      await closeHttp(server)
    },
  }
}

type Parts = {
  readonly state: ClusterState
  readonly refresh: () => Promise<void>
  readonly signIn: SignIn
  readonly calls: CallDesk
  readonly now: () => Date
  readonly report: (error: unknown) => void
}

function routesOf(site: Site, { state, refresh, signIn, calls, now, report }: Parts): GatewayRoutes {
  const { registry, agent, offer, network, changes } = site
  const whyNot = (address: string) => whyNotCallable(address, { network, own: ownAddresses })
  const deliver = { waiting: calls, whyNot, ...changes?.deliver }
  const patience = changes?.registryPatienceMs
  const join = {
    offer,
    registry,
    agent,
    deliver,
    refresh,
    ...(patience !== undefined && { patienceMs: patience }),
  }
  const cluster = { network, nodes: state.nodes }
  const noting: Note = (visit, facts) => note({ registry, now, report }, visit, facts)
  return {
    ...operatorRoutes(signIn, noting),
    ...auditRoutes(registry),
    ...inviteRoutes({ registry, trust: state.trust, now, report }),
    ...enrollRoutes({ ...join, waiting: calls, now, report }),
    ...proxyRoutes({ cluster, caller: { tokenOf: tokensOf(registry) }, note: noting }),
  }
}

/** A copy of a node's token, for the proxy to wipe. */
function tokensOf({ nodeTokens }: Registry): (nodeId: string) => Promise<Buffer | undefined> {
  return nodeId =>
    nodeTokens.use(nodeId, token => {
      const copy = secretBuffer(token.length)
      copy.set(token)
      return copy
    })
}

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(all => (all ?? []).map(one => one.address))
}
