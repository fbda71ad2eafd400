import type { GatewayRoutes } from './access.ts'
import type { Metrics } from './metrics.ts'

/** What a gateway knows of itself. */
export type Standing = {
  readonly version: string
  readonly cluster: string
  /** Undefined when all is well, else what is not; shown to anyone. */
  readonly trouble: () => Promise<string | undefined>
  readonly uptimeS: () => number
}

/** How the gateway is: to anyone in a word, its metrics to the network alone. */
export function stateRoutes(standing: Standing, metrics: Pick<Metrics, 'text'>): GatewayRoutes {
  return {
    ...healthRoutes(standing),
    'GET /metrics': {
      access: 'network',
      handle: () => ({ type: 'text/plain; version=0.0.4; charset=utf-8', body: metrics.text() }),
    },
  }
}

/** Whether it can be used, and whether it is alive. */
export function healthRoutes(standing: Standing): GatewayRoutes {
  return {
    'GET /health': {
      access: 'anyone',
      handle: async () => {
        const trouble = await standing.trouble()
        if (trouble === undefined) return { body: { healthy: true } }
        return { status: 503, body: { healthy: false, trouble } }
      },
    },
    'GET /v1/status': {
      access: 'anyone',
      handle: () => {
        const { version, cluster, uptimeS } = standing
        return { body: { version, cluster, uptimeS: Math.floor(uptimeS()) } }
      },
    },
  }
}
