import type * as z from 'zod'
import type {
  Admission,
  admittedSchema,
  ClusterFacts,
  joinedAnswerSchema,
  joinedSchema,
} from '../../protocol/cluster/admission.ts'
import { noMembers } from '../../protocol/cluster/membership.ts'
import type { News } from '../../protocol/cluster/news.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import { helloHash, nodeIdOf } from '../../protocol/hello.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { HttpError } from '../../http/error.ts'
import type { ClusterView } from '../cluster/view.ts'
import { describe } from '../system/log.ts'
import { holdAdmissions } from './admissions.ts'
import { sealConfiguration } from './configuration.ts'
import { openAnswer } from './joined.ts'
import { judgeJoin } from './judge.ts'
import { withEnrollmentKey } from './key.ts'

export type GatewaySide = {
  readonly record: () => Pick<NodeRecord, 'nodeId' | 'cluster' | 'authority' | 'wireguard' | 'agentToken'>
  readonly view: Pick<ClusterView, 'membership' | 'news' | 'digest'>
  /** Takes news and passes them on; resolves when WireGuard knows them. */
  readonly hear: (news: News) => Promise<void>
  /** Lends the cluster's secret. */
  readonly withClusterSecret: <T>(use: (secret: Buffer) => Promise<T>) => Promise<T>
  readonly now: () => Date
  readonly log: (line: string) => void
}

/** What an agent does for the gateway of its node. Refuses with HttpError 403 and the reason, which is logged. */
export type GatewayDesk = {
  readonly cluster: () => Promise<ClusterFacts>
  readonly join: (admission: Admission) => Promise<z.infer<typeof admittedSchema>>
  readonly joined: (answer: z.infer<typeof joinedSchema>) => Promise<z.infer<typeof joinedAnswerSchema>>
}

/**
 * The agent's desk for joins. The gateway is not believed anything: one that was taken over can let in only whom an
 * operator invited, and learns neither the cluster's secret nor a claim word.
 */
export function gatewayDesk(side: GatewaySide): GatewayDesk {
  const { record, view, log } = side
  const admissions = holdAdmissions(() => side.now().getTime())
  const join = async (admission: Admission) => {
    const { hello, grant, address } = admission
    const { cluster, wireguard } = record()
    return withKey(side, async ({ clusterSecret, privateKey, publicKey }) => {
      const by = {
        record: record(),
        membership: view.membership(),
        gatewayKey: publicKey,
        now: side.now(),
      }
      const { owner, grant: of } = await judgeJoin(admission, by)
      const { completion, openReply } = sealConfiguration(admission, {
        cluster,
        clusterSecret,
        gatewayPrivate: privateKey,
        prefix: wireguard.prefix,
        known: view.news(),
      })
      const endsMs = Date.parse(of.expires)
      admissions.keep(helloHash(hello), { hello, grant, address, owner, openReply, endsMs })
      log(
        `gateway: admitted ${nodeIdOf(fromBase64url(hello.identity))} at ${address} by invite ${of.tokenHash}`,
      )
      return { completion }
    })
  }
  const joined: GatewayDesk['joined'] = async ({ hello, answer }) => {
    const admitted = admissions.find(hello)
    if (admitted === undefined) throw new RangeError('Cannot accept answer: no such node was admitted here')
    const of = { admitted, cluster: record().cluster, membership: view.membership() }
    const acknowledgement = openAnswer(answer, of)
    const { nodeId, wireguard } = acknowledgement
    log(`gateway: ${nodeId} has joined at ${wireguard.address}`)
    await side.hear({ membership: { ...noMembers, members: [answer.member] }, endpoints: [] })
    return { acknowledgement }
  }
  return {
    cluster: () => withKey(side, async ({ publicKey }) => Promise.resolve(factsOf(record(), publicKey))),
    join: admission => refusing(log, () => join(admission)),
    joined: answer => refusing(log, () => joined(answer)),
  }
}

type Keys = { readonly clusterSecret: Buffer; readonly privateKey: Buffer; readonly publicKey: string }

function withKey<T>({ withClusterSecret }: GatewaySide, use: (keys: Keys) => Promise<T>): Promise<T> {
  return withClusterSecret(clusterSecret =>
    withEnrollmentKey(clusterSecret, key => use({ clusterSecret, ...key })),
  )
}

function factsOf(
  { cluster, authority, nodeId, wireguard, agentToken }: ReturnType<GatewaySide['record']>,
  gatewayKey: string,
): ClusterFacts {
  const { address, prefix } = wireguard
  return { cluster, authority, nodeId, address, prefix, gatewayKey, agentToken }
}

/** What judges throw is a refusal; other errors are faults of this node. */
async function refusing<T>(log: GatewaySide['log'], act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    if (!(cause instanceof Error) || !refusals.has(cause.name)) throw cause
    log(`gateway: refused: ${describe(cause)}`)
    throw new HttpError(403, describe(cause), 'the operator and the owner of the node can mend that')
  }
}

const refusals = new Set(['RangeError', 'SyntaxError', 'ZodError', '$ZodError'])
