import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { HttpError } from '../../http/error.ts'
import type { Reply, Request } from '../../http/server.ts'
import type { GatewayRoute, GatewayRoutes } from './access.ts'
import type { Note } from './audit-trail.ts'
import { type Answer, type Call, type Caller, callNode } from './call-node.ts'
import type { Cluster } from './choose-node.ts'
import {
  acknowledgementCall,
  asksToFollow,
  commandCall,
  leaveCall,
  logsCall,
  statusCall,
  unlockCall,
  unlockOfferCall,
} from './node-calls.ts'
import { type Slots, slots } from './slots.ts'

export type Proxy = {
  readonly cluster: Cluster
  readonly caller: Caller
  /** Without a byte for so long a stream is cut; 5 minutes unless told otherwise. */
  readonly streamIdleMs?: number
  /** Hears of what operators have nodes do, and what came of it. */
  readonly note?: Note
}

const bodyBytesMax = 32 * 1024
/** Of calls to nodes at the same time, streams among them: of an operator, and of what anybody may ask of a node. */
const callsMax = { operators: { all: 64, perKey: 16 }, anybody: { all: 64, perKey: 4 } } as const

/** What operators ask of nodes: passed on to the agents on their WireGuard addresses, and answered as they answer. */
export function proxyRoutes(proxy: Proxy): GatewayRoutes {
  const { cluster } = proxy
  const places = { operators: slots(callsMax.operators), anybody: slots(callsMax.anybody) }
  const passed = (callOf: (cluster: Cluster, request: Request) => Call): GatewayRoute['handle'] => {
    return request => {
      const call = callOf(cluster, request)
      return inPlace(places, { call, request }, () => {
        waitFor(call, request)
        return noted(proxy, { call, request }, () => pass(proxy.caller, call))
      })
    }
  }
  const access = 'operators'
  return {
    'GET /v1/node/list': { access, handle: () => ({ body: { nodes: cluster.nodes() } }) },
    'GET /v1/node/status': { access, handle: passed(statusCall) },
    'GET /v1/node/logs': {
      access,
      handle: passed((of, request) => logsCall(of, request, 'once')),
      stream: async (request, response) => {
        if (!asksToFollow(request)) return false
        const call = logsCall(cluster, request, 'follow')
        await inPlace(places, { call, request }, () => follow(proxy, call, response))
        return true
      },
    },
    // For a node's owner, operator or not: the node judges the order.
    'POST /v1/node/acknowledgement': { ...ofOwners, bodyBytesMax: 4096, handle: passed(acknowledgementCall) },
    'GET /v1/node/unlock': { ...ofOwners, handle: passed(unlockOfferCall) },
    'POST /v1/node/unlock': { ...ofOwners, bodyBytesMax, handle: passed(unlockCall) },
    'POST /v1/node/command': { access, bodyBytesMax, handle: passed(commandCall) },
    'POST /v1/node/leave': { access, bodyBytesMax, handle: passed(leaveCall) },
  }
}

const ofOwners = { access: 'anyone', pace: 'slow' } as const

/**
 * An operator who holds many streams must not keep the others out, nor strangers who ask for a node that does not answer
 * those who ask for another.
 */
async function inPlace<T>(
  { operators, anybody }: { readonly operators: Slots; readonly anybody: Slots },
  { call, request }: Asked,
  act: () => Promise<T>,
): Promise<T> {
  const leave =
    call.tokenless === true ? anybody.take(call.node.nodeId) : operators.take(request.visit.who ?? '')
  try {
    return await act()
  } finally {
    leave()
  }
}

type Asked = { readonly call: Call; readonly request: Request }

/**
 * What the node was asked to do is noted, with its status, or why there is none. Of what anybody may ask, what the node
 * did: its owner had signed it.
 */
async function noted({ note }: Proxy, { call, request }: Asked, act: () => Promise<Reply>): Promise<Reply> {
  const { what, node, tokenless } = call
  const outcome = async (said: string, isDone = false) => {
    if (what === undefined || (tokenless === true && !isDone)) return
    const facts = { what, node: node.nodeId, outcome: said }
    // The owner does not wait for a registry that may be away: then there is no entry.
    if (tokenless === true) void note?.(request.visit, { ...facts, who: node.owner })
    else await note?.(request.visit, facts)
  }
  try {
    const reply = await act()
    const { status = 200 } = reply
    await outcome(`the node answered ${status}`, status === 200)
    return reply
  } catch (cause) {
    await outcome(cause instanceof HttpError ? cause.message : 'failed')
    throw cause
  }
}

const marginMs = 5000

/** Nothing moves on the client's connection while the node works: it must not be cut before the node's time is over. */
function waitFor({ answerMs }: Call, { visit }: Request): void {
  if (answerMs !== undefined) visit.request.socket.setTimeout(answerMs + marginMs)
}

/** What a node answers is shown as what it is: it must not become a page of the gateway's own. */
const inert = { 'content-security-policy': "default-src 'none'; sandbox" }

function pass(caller: Caller, call: Call): Promise<Reply> {
  return callNode(caller, call, async ({ status, type, stream }) => {
    return { status, type, body: await wholeBody(stream), headers: inert }
  })
}

const answerBytesMax = 8 * 1024 * 1024

async function wholeBody(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of stream) {
    bytes += (part as Buffer).length
    if (bytes > answerBytesMax)
      throw new HttpError(502, 'the answer of the node is too long', 'ask for fewer lines')
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts)
}

const streamIdleMs = 5 * 60_000

function follow(proxy: Proxy, call: Call, response: ServerResponse): Promise<void> {
  return callNode(proxy.caller, call, async (answer, untimed) => {
    untimed()
    await passOn(answer, response, proxy.streamIdleMs ?? streamIdleMs)
  })
}

/** Ends both sides when one does, or when nothing moves any more. */
async function passOn(
  { status, type, stream }: Answer,
  response: ServerResponse,
  idleMs: number,
): Promise<void> {
  response.socket?.setTimeout(idleMs)
  stream.socket.setTimeout(idleMs, () => {
    stream.destroy(new Error('Cannot go on with the stream: nothing came for too long'))
  })
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...inert,
  })
  response.flushHeaders()
  await pipeline(stream, response)
}
