import * as z from 'zod'
import { auditPageMax } from '../../protocol/cluster/audit.ts'
import { parseQuery } from '../../http/query.ts'
import type { GatewayRoutes } from './access.ts'
import type { Registry } from './registry/registry.ts'

const number = z.string().regex(/^[1-9]\d{0,14}$/, 'not a number')
const querySchema = z.strictObject({
  lines: number.refine(text => Number(text) <= auditPageMax, `more than ${auditPageMax}`).optional(),
  before: number.optional(),
})

const linesFallback = 50

/** What was asked of the gateways, for operators to read. */
export function auditRoutes({ audit }: Pick<Registry, 'audit'>): GatewayRoutes {
  return {
    'GET /v1/operator/audit': {
      access: 'operators',
      handle: async ({ url }) => {
        const { lines, before } = parseQuery(url, querySchema)
        const limit = lines === undefined ? linesFallback : Number(lines)
        return { body: await audit.page(limit, before === undefined ? undefined : Number(before)) }
      },
    },
  }
}
