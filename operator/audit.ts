import { type AuditEntry, auditPageMax, auditPageSchema } from '../protocol/cluster/audit.ts'
import { integer, optional } from './command.ts'
import type { Command, Input } from './command.ts'
import { environmentOptions, findEnvironment } from './environments.ts'
import { printable } from './failure.ts'
import { askGateway } from './gateway.ts'
import { bearerOf, signedIn } from './sign-in.ts'
import { table } from './table.ts'
import { walletOptions } from './wallet.ts'

const lines = { min: 1, max: auditPageMax, fallback: 50 }

export const monitorAudit: Command = {
  help: 'print what was asked of the gateways of a cluster, by whom, and what came of it',
  options: {
    ...environmentOptions,
    lines: { help: `how many of the newest, up to ${lines.max} (default: ${lines.fallback})`, value: 'N' },
    before: { help: 'only those before this one, which the last answer named', value: 'NUMBER' },
    ...walletOptions,
  },
  examples: ['orama monitor audit --env home', 'orama monitor audit --env home --lines 200 --json'],
  async run(world, input) {
    const visitor = { world, input, environment: await findEnvironment(world, input) }
    const path = `/v1/operator/audit?${queryOf(input)}`
    const page = await signedIn(visitor, token =>
      askGateway(world, visitor.environment, {
        ...{ method: 'GET', path, answer: auditPageSchema },
        headers: bearerOf(token),
      }),
    )
    if (page.cursor !== undefined) world.err(`There are older ones: --before ${page.cursor}\n`)
    return { json: page, text: printable(table(headings, page.entries.toReversed().map(cells))) }
  },
}

function queryOf(input: Input): string {
  const query = new URLSearchParams({ lines: String(integer(input, 'lines', lines)) })
  if (optional(input, 'before') !== undefined)
    query.set('before', String(integer(input, 'before', { min: 1, max: 999_999_999, fallback: 1 })))
  return query.toString()
}

const headings = ['time', 'who', 'what', 'node', 'outcome', 'request'] as const

/** A line each, whatever it says. */
function cells({ at, who, what, node = '-', outcome, requestId }: AuditEntry): readonly string[] {
  return [at, who, what, node, outcome, requestId].map(text => text.replace(/\s+/g, ' '))
}
