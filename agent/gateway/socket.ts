import * as z from 'zod'
import { parseJson } from '../../http/body.ts'
import { HttpError } from '../../http/error.ts'
import { fewInTurn } from '../../http/in-turn.ts'
import { parseQuery } from '../../http/query.ts'
import type { Route, Routes } from '../../http/server.ts'
import { admissionSchema, joinedSchema } from '../../protocol/cluster/admission.ts'
import { newsBytesMax, type NewsMessage, newsSchema } from '../../protocol/cluster/news.ts'
import { sha256Hex } from '../../protocol/fields.ts'
import { type GatewayDesk, gatewayDesk, type GatewaySide } from './desk.ts'

const noQuerySchema = z.strictObject({})
const knownSchema = z.strictObject({ known: sha256Hex.optional() })
const metSchema = z.strictObject({ digest: sha256Hex })
const admissionBytesMax = 64 * 1024
/** The answer of a node: a box of at most 8 KiB and a member record. */
const joinedBytesMax = 64 * 1024
const waitingMax = 8

export type GatewaySocket = GatewaySide & {
  /** The data partition is open: before that nobody knows the cluster's secret. */
  readonly isOpen: () => boolean
  /** The registry has all news of this digest, and is carried by nobody who is gone. */
  readonly met?: (digest: string) => void
}

/** The routes of the gateway's socket: docs/gateway.md has them as a table. */
export function gatewayRoutes(side: GatewaySocket): Routes {
  const turn = fewInTurn(waitingMax)
  const desk = gatewayDesk(side)
  const routes = {
    ...withoutQuery({ ...deskRoutes(desk), ...hearRoute(side), ...metRoute(side) }),
    ...tellRoute(side),
  }
  return changed(routes, route => ({
    ...route,
    admit: () => {
      checkOpen(side)
    },
    handle: request => turn(async () => Promise.resolve(route.handle(request))),
  }))
}

function checkOpen({ isOpen }: GatewaySocket): void {
  if (!isOpen()) throw new HttpError(503, 'the disk of this node is closed', 'its owner has to unlock it')
}

function deskRoutes({ cluster, join, joined }: GatewayDesk): Routes {
  return {
    'GET /cluster': { handle: async () => ({ body: await cluster() }) },
    'POST /join': {
      bodyBytesMax: admissionBytesMax,
      handle: async ({ body }) => ({ body: await join(parseJson(body, admissionSchema)) }),
    },
    'POST /joined': {
      bodyBytesMax: joinedBytesMax,
      handle: async ({ body }) => ({ body: await joined(parseJson(body, joinedSchema)) }),
    },
  }
}

/** Asked every few seconds: who knows all of it already is told no more than that. */
function tellRoute({ view }: GatewaySocket): Routes {
  return {
    'GET /news': {
      handle: ({ url }) => {
        const { known } = parseQuery(url, knownSchema)
        const digest = view.digest()
        return { body: (known === digest ? { digest } : { digest, news: view.news() }) satisfies NewsMessage }
      },
    },
  }
}

function metRoute({ met }: GatewaySocket): Routes {
  return {
    'POST /met': {
      bodyBytesMax: 256,
      handle: ({ body }) => {
        met?.(parseJson(body, metSchema).digest)
        return { body: {} }
      },
    },
  }
}

function hearRoute({ hear, view }: GatewaySocket): Routes {
  return {
    'POST /news': {
      bodyBytesMax: newsBytesMax,
      handle: async ({ body }) => {
        await hear(parseJson(body, newsSchema))
        return { body: { digest: view.digest() } satisfies NewsMessage }
      },
    },
  }
}

function withoutQuery(routes: Routes): Routes {
  return changed(routes, route => ({
    ...route,
    handle: request => {
      parseQuery(request.url, noQuerySchema)
      return route.handle(request)
    },
  }))
}

function changed(routes: Routes, change: (route: Route) => Route): Routes {
  return Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, change(route)]))
}
