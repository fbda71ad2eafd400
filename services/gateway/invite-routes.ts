import { type InviteEntry, inviteRequestSchema, revokeRequestSchema } from '../../protocol/cluster/joining.ts'
import type { Trust } from '../../protocol/cluster/trust.ts'
import { parseVoucher } from '../../protocol/cluster/voucher.ts'
import type { SignedText } from '../../protocol/fields.ts'
import { parseJson } from '../../http/body.ts'
import { HttpError } from '../../http/error.ts'
import type { GatewayRoutes } from './access.ts'
import { type AuditWith, note } from './audit-trail.ts'
import type { Registry } from './registry/registry.ts'

export type InvitesWith = AuditWith & {
  readonly registry: Pick<Registry, 'invites' | 'audit'>
  readonly trust: () => Trust
}

const bodyBytesMax = 4096

/** What operators do with invites; the tokens themselves never come here. */
export function inviteRoutes(of: InvitesWith): GatewayRoutes {
  const access = 'operators'
  return {
    'POST /v1/operator/invite': {
      access,
      bodyBytesMax,
      handle: async ({ body, visit }) => {
        const entry = await add(of, parseJson(body, inviteRequestSchema).voucher)
        await note(of, visit, { what: `invite ${entry.tokenHash}`, outcome: 'stored' })
        return { status: 201, body: entry }
      },
    },
    'GET /v1/operator/invites': {
      access,
      handle: async () => ({ body: { invites: await of.registry.invites.list(of.now()) } }),
    },
    'POST /v1/operator/revoke': {
      access,
      bodyBytesMax,
      handle: async ({ body, visit }) => {
        const { tokenHash } = parseJson(body, revokeRequestSchema)
        const entry = await revoke(of, tokenHash)
        await note(of, visit, { what: `revoke ${tokenHash}`, outcome: 'revoked' })
        return { body: entry }
      },
    },
  }
}

async function add(of: InvitesWith, voucher: SignedText): Promise<InviteEntry> {
  const { invites } = of.registry
  const added = await invites.add(voucher, { trust: of.trust(), now: of.now() }).catch(asRefusal)
  if (added === 'expired') throw new HttpError(410, 'this voucher has expired', 'sign a new one')
  if (added === 'taken')
    throw new HttpError(409, 'the token of this voucher is known already', 'make a new token')
  return entryOf(of, parseVoucher(voucher.text).tokenHash)
}

async function revoke(of: InvitesWith, tokenHash: string): Promise<InviteEntry> {
  const revoked = await of.registry.invites.revoke(tokenHash, of.now())
  if (revoked === 'spent')
    throw new HttpError(409, 'this invite was used', 'evict the node that joined by it')
  return entryOf(of, tokenHash)
}

async function entryOf({ registry, now }: InvitesWith, tokenHash: string): Promise<InviteEntry> {
  const entry = await registry.invites.entry(tokenHash, now())
  if (entry === undefined)
    throw new HttpError(404, 'there is no such invite', 'GET /v1/operator/invites has the newest')
  return entry
}

function asRefusal(cause: unknown): never {
  if (cause instanceof SyntaxError) throw new HttpError(400, cause.message, 'send what a wallet signed')
  if (cause instanceof RangeError)
    throw new HttpError(403, cause.message, 'an operator of this cluster signs vouchers')
  throw cause
}
