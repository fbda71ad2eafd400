import { signedTextSchema } from '../../protocol/fields.ts'
import { challengeRequestSchema, parseLogin, refreshRequestSchema } from '../../protocol/login.ts'
import { parseJson } from '../../http/body.ts'
import type { GatewayRoutes } from './access.ts'
import type { Note } from './audit-trail.ts'
import type { SignIn } from './sign-in.ts'

const bodyBytesMax = 4096

/** How operators sign in: docs/gateway-http.md. `note` hears of who did. */
export function operatorRoutes(desk: SignIn, note?: Note): GatewayRoutes {
  return {
    'POST /v1/operator/challenge': {
      access: 'anyone',
      pace: 'slow',
      bodyBytesMax,
      handle: ({ body }) => ({ body: desk.challenge(parseJson(body, challengeRequestSchema).address) }),
    },
    'POST /v1/operator/login': {
      access: 'anyone',
      pace: 'slow',
      bodyBytesMax,
      handle: async ({ body, visit }) => {
        const signed = parseJson(body, signedTextSchema)
        const tokens = await desk.login(signed)
        visit.who = parseLogin(signed.text).address
        await note?.(visit, { what: 'sign in', outcome: 'signed in' })
        return { body: tokens }
      },
    },
    'POST /v1/operator/refresh': {
      access: 'anyone',
      pace: 'slow',
      bodyBytesMax,
      handle: async ({ body }) => ({
        body: await desk.refresh(parseJson(body, refreshRequestSchema).refresh),
      }),
    },
  }
}
