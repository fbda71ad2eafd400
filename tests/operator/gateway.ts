import type { Test } from 'tap'
import { HttpError } from '../../http/error.ts'
import type { Reply, Request } from '../../http/server.ts'
import type { InviteEntry, JoinOffer, JoinRequest } from '../../protocol/cluster/joining.ts'
import { joinRequestSchema } from '../../protocol/cluster/joining.ts'
import { soleAuthority } from '../../protocol/cluster/trust.ts'
import { checkVoucher } from '../../protocol/cluster/voucher.ts'
import { toBase64url, type SignedText } from '../../protocol/fields.ts'
import { newKeyPair } from '../../protocol/keys.ts'
import type { GatewayRoutes } from '../../services/gateway/access.ts'
import { operatorRoutes } from '../../services/gateway/operator-routes.ts'
import { cluster } from '../protocol/cluster/sample.ts'
import { certificate, gatewayWith } from '../services/gateway/gateway.ts'
import { deskAt } from '../services/gateway/samples.ts'
import { configFolder, orama, owner, type Setting } from './support.ts'

export { cluster }
export const origin = 'https://192.0.2.1'
const trust = soleAuthority({ cluster, authority: owner })
export const gatewayKeys = newKeyPair('x25519')

/** What the test wants this gateway to do wrong, or to be asked for. */
export type GatewayBehaviour = {
  offer?: Partial<JoinOffer>
  /** Answers instead of the route of this name. */
  answers?: Record<string, (request: Request) => Reply | Promise<Reply>>
  enroll?: (request: JoinRequest) => object | Promise<object>
  hello?: () => object
  /** Of a node that says again that it has joined. */
  acknowledge?: (body: string) => object | Promise<object>
}

export type PlayedGateway = Awaited<ReturnType<typeof playGateway>>

/** The gateway's own server and sign-in desk on a port of this machine; what is behind them is played. */
export async function playGateway(t: Test, behaviour: GatewayBehaviour = {}, more: GatewayRoutes = {}) {
  const asked: { readonly route: string; readonly body: string; readonly query: string }[] = []
  const vouchers: SignedText[] = []
  const { desk, clock, store } = deskAt({ trust: () => trust, audience: origin })
  const entryOf = (voucher: SignedText, state: InviteEntry['state']): InviteEntry => {
    const { tokenHash, issued, expires } = checkVoucher(voucher, trust)
    return { tokenHash, issued, expires, operator: owner, state }
  }
  const plain: GatewayRoutes = {
    ...operatorRoutes(desk),
    'GET /v1/node/enroll': {
      access: 'anyone',
      handle: () => ({ body: { ...offer(), ...behaviour.offer } }),
    },
    'GET /v1/node/hello': { access: 'anyone', handle: () => ({ body: helloOf(behaviour) }) },
    'POST /v1/node/enroll': {
      access: 'anyone',
      bodyBytesMax: 32_768,
      handle: async ({ body }) => {
        if (behaviour.enroll === undefined) throw new HttpError(404, 'no such invite', 'ask for one')
        return { body: await behaviour.enroll(joinRequestSchema.parse(JSON.parse(body.toString()))) }
      },
    },
    'POST /v1/node/acknowledgement': {
      access: 'anyone',
      bodyBytesMax: 4096,
      handle: async ({ body }) => {
        if (behaviour.acknowledge === undefined) throw new HttpError(404, 'no such node', 'look at the list')
        return { body: await behaviour.acknowledge(body.toString()) }
      },
    },
    'POST /v1/operator/invite': {
      access: 'operators',
      bodyBytesMax: 4096,
      handle: ({ body }) => {
        const { voucher } = JSON.parse(body.toString()) as { voucher: SignedText }
        vouchers.push(voucher)
        return { status: 201, body: entryOf(voucher, 'open') }
      },
    },
    'GET /v1/operator/invites': {
      access: 'operators',
      handle: () => ({ body: { invites: vouchers.map(voucher => entryOf(voucher, 'open')) } }),
    },
    'POST /v1/operator/revoke': {
      access: 'operators',
      bodyBytesMax: 4096,
      handle: ({ body }) => {
        const { tokenHash } = JSON.parse(body.toString()) as { tokenHash: string }
        const found = vouchers.find(voucher => voucher.text.includes(tokenHash))
        if (found === undefined) throw new HttpError(404, 'no such invite', 'look at the list')
        return { body: entryOf(found, 'revoked') }
      },
    },
  }
  const routes = Object.fromEntries(
    Object.entries(plain).map(([name, route]) => [
      name,
      {
        ...route,
        handle: (request: Request) => {
          asked.push({ route: name, body: request.body.toString(), query: request.url.search })
          return (behaviour.answers?.[name] ?? route.handle)(request)
        },
      },
    ]),
  )
  const { port, server } = await gatewayWith(t, { ...routes, ...more }, { signIn: desk })
  return { port, server, clock, store, asked, vouchers, behaviour, desk }
}

function offer(): JoinOffer {
  return { cluster, authority: owner, gatewayKey: toBase64url(gatewayKeys.publicKey) }
}

function helloOf({ hello }: GatewayBehaviour): object {
  if (hello === undefined)
    throw new HttpError(404, 'no node with this code waits here', 'look at its console')
  return hello()
}

export const fingerprint = certificate.fingerprint
export const addLine = ['env', 'add', 'home', '--gateway', origin, '--fingerprint', fingerprint] as const

/** A played gateway that is on file as environment `home`, and the setting in which it answers. */
export async function withGateway(t: Test, behaviour: GatewayBehaviour = {}, more: GatewayRoutes = {}) {
  const gateway = await playGateway(t, behaviour, more)
  const config = await configFolder(t)
  const setting: Setting = { config, ports: { 443: gateway.port } }
  const added = await orama(setting, ...addLine)
  if (added.code !== 0) throw new Error(`Cannot add the environment: ${added.err}`)
  gateway.asked.length = 0
  return { gateway, config, setting }
}
