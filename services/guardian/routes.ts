import * as z from 'zod'
import { parseJson } from '../../http/body.ts'
import { parseQuery } from '../../http/query.ts'
import type { Reply, Request, Routes } from '../../http/server.ts'
import { newsBytesMax, newsMessageSchema } from '../../protocol/cluster/news.ts'
import { nodeId } from '../../protocol/fields.ts'
import { epochName } from '../../protocol/shares/epoch.ts'
import {
  type GuardianSession,
  type SignedRelease,
  signedReleaseSchema,
  type SignedStatement,
  signedStatementSchema,
} from '../../protocol/shares/guardian.ts'
import { type Guardian, type GuardianWorld, startGuardian } from './guardian.ts'
import { judgeCaller, seconds } from './judge.ts'
import { Refused, refusalReply } from './refusals.ts'
import { release } from './releases.ts'
import { takeStatement } from './statements.ts'

const bodyBytesMax = 4096
const sessionQuerySchema = z.strictObject({ node: nodeId })

/** The routes of port 10106, of one start of the guardian. */
export function guardianRoutes(world: GuardianWorld): Routes {
  const guardian = startGuardian(world)
  return {
    'GET /v1/guardian/session': { handle: request => showSession(guardian, request) },
    'POST /v1/guardian/statement': {
      bodyBytesMax,
      handle: ({ body, from }) => answerStatement(guardian, parseJson(body, signedStatementSchema), from),
    },
    'POST /v1/guardian/release': {
      bodyBytesMax,
      handle: ({ body, from }) => answerRelease(guardian, parseJson(body, signedReleaseSchema), from),
    },
    'POST /v1/guardian/news': {
      bodyBytesMax: newsBytesMax,
      handle: ({ body, from }) => answerNews(guardian, body, from),
    },
    'GET /v1/guardian/ready': {
      handle: async () => {
        await guardian.store.members()
        return { body: { ready: true } }
      },
    },
    // Of itself alone: an agent that is slow to answer would else end the guardian, and be slower for it.
    'GET /v1/guardian/health': { handle: () => ({ body: { healthy: true } }) },
  }
}

function showSession(guardian: Guardian, { url, from }: Request): Promise<Reply> {
  const { node } = parseQuery(url, sessionQuerySchema)
  return noted(guardian, `session for ${node} at ${from}`, async () => {
    const { store, session, nonces } = guardian
    const list = await guardian.members()
    const judged = judgeCaller({ cluster: list.cluster, guardian: list.nodeId, node }, from, list)
    if ('reason' in judged) throw new Refused(judged)
    const { epochs } = await store.holding(node)
    const body: GuardianSession = {
      guardian: list.nodeId,
      session: session.id,
      key: session.key,
      number: session.number(node),
      nonce: nonces.issue(node),
      holds: epochs,
    }
    return { reply: { body } }
  })
}

function answerStatement(guardian: Guardian, signed: SignedStatement, from: string): Promise<Reply> {
  const { statement } = signed
  const { kind, node, number } = statement
  const of = kind === 'deposit' ? ` of epoch ${epochName(statement.epoch)}` : ''
  return noted(guardian, `${kind}${of} by ${node} at ${from}, number ${number}`, async () => {
    const body = await takeStatement(guardian, signed, from)
    // Every node sends a lease every 15 s.
    return { reply: { body }, outcome: kind === 'lease' ? undefined : 'done' }
  })
}

function answerRelease(guardian: Guardian, signed: SignedRelease, from: string): Promise<Reply> {
  const { node, epoch, bootId } = signed.request
  const subject = `release of epoch ${epochName(epoch)} to ${node} at ${from}, boot ${bootId}`
  return noted(guardian, subject, async () => {
    const { answer, right } = await release(guardian, signed, from)
    return { reply: { body: answer }, outcome: `given: ${right}` }
  })
}

/** What a member says of the cluster goes to the agent, who has it prove itself; what this node says comes back. */
function answerNews(guardian: Guardian, body: Buffer, from: string): Promise<Reply> {
  parseJson(body, newsMessageSchema)
  return noted(guardian, `news from ${from}`, async () => {
    const node = await neighbour(guardian, from)
    return { reply: { body: await guardian.store.news(node, body), type: 'application/json' } }
  })
}

/** The member at this address, which WireGuard vouches for. Throws Refused. */
async function neighbour({ members, limits }: Guardian, from: string): Promise<string> {
  const list = await members()
  const member = list.members.find(one => one.address === from && one.nodeId !== list.nodeId)
  if (member === undefined) throw new Refused({ reason: 'not-a-member' })
  const waitMs = limits.news(member.nodeId)
  if (waitMs > 0) throw new Refused({ reason: 'too-many', retryS: seconds(waitMs) })
  return member.nodeId
}

type Done = { readonly reply: Reply; readonly outcome?: string | undefined }

/** Answers, with one line in the log that says who asked for what, and what came of it. */
async function noted(guardian: Guardian, subject: string, act: () => Promise<Done>): Promise<Reply> {
  try {
    const { reply, outcome } = await act()
    if (outcome !== undefined) guardian.log(`${subject}: ${outcome}`)
    return reply
  } catch (cause) {
    guardian.log(`${subject}: ${cause instanceof Error ? cause.message : String(cause)}`)
    if (cause instanceof Refused) return refusalReply(cause.refusal)
    throw cause
  }
}
