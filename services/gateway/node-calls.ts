import * as z from 'zod'
import { parseAppointment } from '../../protocol/cluster/trust.ts'
import { signedTextSchema } from '../../protocol/fields.ts'
import {
  acknowledgementRequestSchema,
  type Command,
  commandSchema,
  logLines,
  operatorsAction,
} from '../../protocol/requests.ts'
import { unlockRequestSchema } from '../../protocol/unlock.ts'
import { parseJson } from '../../http/body.ts'
import { parseQuery } from '../../http/query.ts'
import type { Request } from '../../http/server.ts'
import type { Call } from './call-node.ts'
import { chooseNode, type Cluster, nodeQuery, nodeQuerySchema } from './choose-node.ts'

// What each route asks of an agent. Nothing of a request is passed on as it came: path, query and body are made anew
// of what was parsed.

export function statusCall(cluster: Cluster, { url, signal }: Request): Call {
  const node = chooseNode(cluster, parseQuery(url, nodeQuerySchema))
  return { node, method: 'GET', path: '/v1/agent/status', signal }
}

const yes = z.enum(['1', 'true'])
const logsQuerySchema = z.strictObject({
  ...nodeQuery,
  service: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/, 'not a service name')
    .optional(),
  lines: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, 'not a number of lines')
    .refine(text => Number(text) <= logLines.max, `more than ${logLines.max}`)
    .optional(),
  follow: yes.or(z.enum(['0', 'false'])).optional(),
})

/** True when the logs that are asked for have no end. */
export function asksToFollow({ url }: Request): boolean {
  return yes.safeParse(url.searchParams.get('follow')).success
}

/** `once` reads to an end even where the query asks to follow: so a HEAD has one. */
export function logsCall(cluster: Cluster, { url, signal }: Request, how: 'once' | 'follow'): Call {
  const { node_id, wg_ip, ...asked } = parseQuery(url, logsQuerySchema)
  const node = chooseNode(cluster, { node_id, wg_ip })
  const query = new URLSearchParams({ service: asked.service ?? 'agent' })
  if (asked.lines !== undefined) query.set('lines', asked.lines)
  if (how === 'follow') query.set('follow', '1')
  return { node, method: 'GET', path: `/v1/agent/logs?${query.toString()}`, signal }
}

export function commandCall(cluster: Cluster, { url, body, signal }: Request): Call {
  const node = chooseNode(cluster, parseQuery(url, nodeQuerySchema))
  const command = parseJson(body, commandSchema)
  return {
    ...{ node, method: 'POST', path: '/v1/agent/command', body: JSON.stringify(command), signal },
    ...(!asking.has(command.action) && { what: whatOf(command), answerMs: commandMs }),
  }
}

/** Commands that change nothing. */
const asking: ReadonlySet<Command['action']> = new Set(['status', operatorsAction])

function whatOf({ action, service, mode, order }: Command): string {
  const whom = action === 'appoint' && order !== undefined ? operatorsIn(order.text) : undefined
  return ['command', action, service, mode, whom].filter(word => word !== undefined).join(' ')
}

/** Whom a list names, as it says itself: the node judges it, and what came of that stands beside it. */
function operatorsIn(text: string): string | undefined {
  try {
    const { number, operators } = parseAppointment(text)
    const list = operators.map(one => (one.retired === undefined ? one.address : `dismissed ${one.address}`))
    return `list ${number}: ${list.join(', ') || 'nobody'}`
  } catch {
    return undefined
  }
}

/** A service may take 20 s to stop; an order to leave or give a secret back waits for nodes that are switched off. */
const commandMs = 60_000

const leaveSchema = z.strictObject({ order: signedTextSchema, force: commandSchema.shape.force })

/** A node leaves by an order of its owner alone, which it judges itself. */
export function leaveCall(cluster: Cluster, { url, body, signal }: Request): Call {
  const node = chooseNode(cluster, parseQuery(url, nodeQuerySchema))
  const command = JSON.stringify({ action: 'leave', ...parseJson(body, leaveSchema) })
  const path = '/v1/agent/command'
  return { node, method: 'POST', path, body: command, what: 'leave', signal, answerMs: commandMs }
}

/** What a node says of its enrollment, sealed to its owner, by whose order it says so. */
export function acknowledgementCall(cluster: Cluster, { url, body, signal }: Request): Call {
  const node = chooseNode(cluster, parseQuery(url, nodeQuerySchema))
  const request = JSON.stringify(parseJson(body, acknowledgementRequestSchema))
  const path = '/v1/agent/acknowledgement'
  return { node, method: 'POST', path, body: request, tokenless: true, signal }
}

/** Its owner has its id on file; addresses can be tried one after the other, and an offer says whose a node is. */
const knownNodeSchema = z.strictObject({ node_id: nodeQuery.node_id.unwrap() })

/**
 * What its owner needs to unlock a node that waits for him. The node asks for no token, and this gateway for none of the
 * registry, which too few nodes may be up for.
 */
export function unlockOfferCall(cluster: Cluster, { url, signal }: Request): Call {
  const node = chooseNode(cluster, parseQuery(url, knownNodeSchema))
  return { node, method: 'GET', path: '/v1/agent/unlock', tokenless: true, signal }
}

/**
 * The secret is sealed to the node, by an order of its owner: nothing of it can be read or used here. To whom it is
 * sealed the owner knows by the signature of the offer.
 */
export function unlockCall(cluster: Cluster, { url, body }: Request): Call {
  const node = chooseNode(cluster, parseQuery(url, knownNodeSchema))
  const request = JSON.stringify(parseJson(body, unlockRequestSchema))
  const path = '/v1/agent/unlock'
  const what = { what: 'unlock', tokenless: true } as const
  // Who goes before the node has answered does not keep it out of the audit: the node goes on all the same.
  const { signal } = new AbortController()
  return { node, method: 'POST', path, body: request, ...what, signal, answerMs: unlockMs }
}

/** The node opens, checks and mounts its disk before it answers. */
const unlockMs = 120_000
