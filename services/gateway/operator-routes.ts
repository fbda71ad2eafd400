import { signedTextSchema } from '../../protocol/fields.ts'
import { challengeRequestSchema, refreshRequestSchema } from '../../protocol/login.ts'
import { parseJson } from '../../http/body.ts'
import type { GatewayRoutes } from './access.ts'
import type { SignIn } from './sign-in.ts'

const bodyBytesMax = 4096

/** How operators sign in: docs/gateway-http.md. */
export function operatorRoutes(desk: SignIn): GatewayRoutes {
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
      handle: async ({ body }) => ({ body: await desk.login(parseJson(body, signedTextSchema)) }),
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
