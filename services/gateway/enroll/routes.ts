import * as z from 'zod'
import {
  type JoinAnswer,
  type JoinRequest,
  joinRequestSchema,
  memberRequestSchema,
} from '../../../protocol/cluster/joining.ts'
import { enrollmentCodeText, fromBase64url } from '../../../protocol/fields.ts'
import { nodeIdOf } from '../../../protocol/hello.ts'
import { parseJson } from '../../../http/body.ts'
import { HttpError } from '../../../http/error.ts'
import { parseQuery } from '../../../http/query.ts'
import type { Request } from '../../../http/server.ts'
import type { GatewayRoutes } from '../access.ts'
import { type AuditWith, note } from '../audit-trail.ts'
import { joinDesk, type JoinWith, LostInviteError } from './join.ts'
import { acceptMember, type MemberWith } from './member.ts'
import type { WaitingNodes } from './waiting.ts'

export type EnrollWith = JoinWith &
  MemberWith &
  AuditWith & { readonly waiting: Pick<WaitingNodes, 'helloOf'> }

/** Hello, grant and proof, or a member record, which has the voucher besides: some 2 KB. */
const bodyBytesMax = 16 * 1024
/** The node formats its disk meanwhile, and nothing moves on the connection. */
const patienceMs = 240_000
const codeQuerySchema = z.strictObject({ code: enrollmentCodeText })

/** How nodes join: docs/gateway-http.md. */
export function enrollRoutes(of: EnrollWith): GatewayRoutes {
  const join = joinDesk(of)
  return {
    'GET /v1/node/enroll': { access: 'anyone', handle: () => ({ body: of.offer }) },
    'GET /v1/node/hello': {
      access: 'anyone',
      pace: 'slow',
      handle: ({ url }) => {
        const hello = of.waiting.helloOf(parseQuery(url, codeQuerySchema).code)
        if (hello === undefined)
          throw new HttpError(
            404,
            'no node with this code waits here',
            'see its console; or call its port 9999',
          )
        return { body: { hello } }
      },
    },
    'POST /v1/node/enroll': {
      access: 'anyone',
      pace: 'slow',
      bodyBytesMax,
      handle: async request => ({ body: await noted(of, request, join) }),
    },
    'POST /v1/node/member': {
      access: 'anyone',
      pace: 'slow',
      bodyBytesMax,
      handle: async request => ({ body: await notedMember(of, request) }),
    },
  }
}

async function noted(
  of: AuditWith,
  { body, visit }: Request,
  join: (request: JoinRequest) => Promise<JoinAnswer>,
): Promise<JoinAnswer> {
  const request = parseJson(body, joinRequestSchema)
  const node = nodeIdOf(fromBase64url(request.hello.identity))
  visit.request.socket.setTimeout(patienceMs)
  try {
    const answer = await join(request)
    await note(of, visit, { what: 'enroll', node, who: answer.acknowledgement.owner, outcome: 'joined' })
    return answer
  } catch (cause) {
    if (cause instanceof HttpError && isAudited(cause))
      await note(of, visit, { what: 'enroll', node, outcome: cause.message })
    throw cause
  }
}

async function notedMember(of: EnrollWith, { body, visit }: Request): Promise<{ readonly nodeId: string }> {
  const { member } = parseJson(body, memberRequestSchema)
  const nodeId = nodeIdOf(fromBase64url(member.hello.identity))
  if ((await acceptMember(of, member)) === 'accepted')
    await note(of, visit, { what: 'member', node: nodeId, outcome: 'joined; its answer was lost' })
  return { nodeId }
}

/** Once a node has been asked: what strangers try is counted and logged, but must not fill the registry. */
function isAudited(cause: HttpError): boolean {
  return cause instanceof LostInviteError || auditedStatuses.includes(cause.status)
}

const auditedStatuses: readonly number[] = [422, 502, 504]
