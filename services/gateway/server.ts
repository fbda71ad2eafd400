import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { HttpError } from '../../http/error.ts'
import { type Listener, type Route, type Routes, serveHttp } from '../../http/server.ts'
import { admissions, type GatewayRoute, type GatewayRoutes, type Network } from './access.ts'
import type { Certificate } from './certificate.ts'
import { gatewayMetrics, type Metrics, type Refusal } from './metrics.ts'
import { type Rate, type RateLimiter, rateLimiter } from './rate-limit.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import { faultLine, requestIdOf, requestLog, upgradeLine } from './request-log.ts'
import { isAway } from './registry/database.ts'
import type { SignIn } from './sign-in.ts'
import { type Standing, stateRoutes } from './state-routes.ts'

export type Gateway = {
  readonly address: string
  readonly port: number
  readonly certificate: Certificate
  /** The cluster's WireGuard network: from there alone metrics are told. */
  readonly network: Network
  readonly signIn: Pick<SignIn, 'operatorOf'>
  readonly standing: Standing
  /** All but those of `state-routes.ts`. */
  readonly routes: GatewayRoutes
  /** Takes connections that want to speak WebSocket; without it they are requests like others. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** One line of JSON at a time, without newline. */
  readonly write: (line: string) => void
  readonly limits?: Listener['limits']
  readonly rates?: Partial<Rates>
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs?: () => number
}

export type Rates = {
  /** Of all requests of an address. */
  readonly any: Rate
  /** Of its requests for slow routes, besides. */
  readonly slow: Rate
}

const ratesOfAddress: Rates = {
  any: { perSecond: 20, burst: 100, keysMax: 8192 },
  slow: { perSecond: 0.5, burst: 10, keysMax: 8192 },
}

const limits = {
  connectionsMax: 512,
  connectionsPerAddressMax: 32,
  // A gateway with too much to do may take seconds to look at what has come.
  headersMs: 15_000,
  requestMs: 20_000,
  // Longer than a node may take to answer.
  idleMs: 30_000,
  // A handshake costs more than most answers; a report asks for all nodes.
  requestsPerConnection: 100,
  keptMs: 5000,
}

/** Serves a gateway over HTTPS, with limits on everything. */
export async function serveGateway(gateway: Gateway): Promise<Server> {
  const { nowMs = () => performance.now(), write } = gateway
  const metrics = gatewayMetrics()
  const rates = { ...ratesOfAddress, ...gateway.rates }
  const any = rateLimiter(rates.any, nowMs)
  const slow = rateLimiter(rates.slow, nowMs)
  return serveHttp({
    address: gateway.address,
    port: gateway.port,
    tls: gateway.certificate,
    limits: { ...limits, ...gateway.limits },
    watch: requestLog({ write, metrics, nowMs }),
    guard: ({ socket }) => {
      counted(metrics, () => {
        keepPace(any, socket.remoteAddress ?? '')
      })
    },
    dropped: metrics.refused,
    report: (error, visit) => {
      write(faultLine(error, visit && requestIdOf(visit)))
    },
    routes: admitted(gateway, metrics, slow),
    ...(gateway.upgrade && { upgrade: noted(write, upgrades(gateway.upgrade, metrics, [any, slow])) }),
  })
}

type Upgrade = NonNullable<Gateway['upgrade']>

/** One line for each: a refusal ends the connection at once. */
function noted(write: Gateway['write'], upgrade: Upgrade): Upgrade {
  return (request, socket, head) => {
    const address = request.socket.remoteAddress
    upgrade(request, socket, head)
    write(upgradeLine({ address, taken: !socket.writableEnded }))
  }
}

/** No guard of the HTTP server sees them, and they are as slow as a login. */
function upgrades(upgrade: Upgrade, metrics: Metrics, paces: readonly RateLimiter[]): Upgrade {
  return (request, socket, head) => {
    try {
      counted(metrics, () => {
        for (const pace of paces) keepPace(pace, request.socket.remoteAddress ?? '')
      })
    } catch (cause) {
      refuseUpgrade(socket, cause)
      return
    }
    upgrade(request, socket, head)
  }
}

/** The routes as the HTTP server wants them: each with what its access and pace ask of a request. */
function admitted(gateway: Gateway, metrics: Metrics, slow: RateLimiter): Routes {
  const admit = admissions(gateway)
  const guarded = ({ access, pace, handle, ...route }: GatewayRoute): Route => ({
    ...route,
    handle: async request => {
      try {
        return await handle(request)
      } catch (cause) {
        throw isAway(cause) ? away(cause) : cause
      }
    },
    admit: head => {
      counted(metrics, () => {
        if (pace === 'slow') keepPace(slow, head.from)
        admit[access](head)
      })
    },
  })
  const all: GatewayRoutes = { ...gateway.routes, ...stateRoutes(gateway.standing, metrics) }
  return Object.fromEntries(Object.entries(all).map(([name, route]) => [name, guarded(route)]))
}

/** Its nodes elect a leader, or too few of them run. */
function away(cause: unknown): HttpError {
  const error = new HttpError(503, 'the registry does not answer', 'ask again in some seconds')
  error.cause = cause
  return error
}

function keepPace(limiter: RateLimiter, address: string): void {
  const waitMs = limiter.take(address)
  if (waitMs === 0) return
  const error = new HttpError(429, 'too many requests', 'wait as long as retry-after says')
  error.headers = { 'retry-after': String(Math.ceil(waitMs / 1000)) }
  throw error
}

const reasons: Readonly<Record<number, Refusal>> = { 401: 'token', 403: 'access', 429: 'rate' }

function counted(metrics: Metrics, check: () => void): void {
  try {
    check()
  } catch (cause) {
    const reason = cause instanceof HttpError ? reasons[cause.status] : undefined
    if (reason !== undefined) metrics.refused(reason)
    throw cause
  }
}
