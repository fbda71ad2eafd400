import { verifyAcknowledgement } from '../protocol/completion.ts'
import { sealClaim } from '../protocol/cluster/joining.ts'
import type { Completion, EnrollmentConfig } from '../protocol/completion.ts'
import { formatTime, fromBase64url } from '../protocol/fields.ts'
import { completionAnswerSchema } from '../protocol/requests.ts'
import { sealCompletion } from '../protocol/seal.ts'
import { askNode } from './agent.ts'
import { Failure } from './failure.ts'
import type { Enrolled, GenesisFile, NodeFile } from './node-file.ts'
import type { World } from './world.ts'

export type CompletionRequest = {
  readonly node: GenesisFile
  readonly claim: string | undefined
  readonly url: string
}

// Formatting the data partition is part of the answer; an emulated machine takes its time.
const timeoutMs = 180_000

/** Sends grant and sealed configuration to the node and returns it with its verified acknowledgement. */
export async function completeOverNetwork(
  world: World,
  request: CompletionRequest,
): Promise<Enrolled<GenesisFile>> {
  const { node, url } = request
  const plaintext = Buffer.from(JSON.stringify(configFor(node)))
  const gatewayPrivate = fromBase64url(node.gatewayPrivate)
  const sealed = sealCompletion({ hello: node.hello, grantText: node.grant.text, gatewayPrivate, plaintext })
  const body: Completion = {
    v: 1,
    grant: node.grant,
    ephemeral: sealed.ephemeral,
    box: sealed.box,
    ...claimFor(node, request.claim),
  }
  world.err('Sending grant and configuration; the node now makes its disk, which may take a minute\n')
  const question = {
    method: 'POST',
    url,
    body: JSON.stringify(body),
    answer: completionAnswerSchema,
    timeoutMs,
  } as const
  const answer = await askNode(world, question).catch((error: unknown) => {
    throw explainLoss(error, node)
  })
  const { node: enrolled } = acknowledgedNode(node, {
    open: () => sealed.openReply(answer.box),
    now: world.now(),
  })
  return enrolled
}

export type Acknowledged<T extends NodeFile> = {
  readonly node: Enrolled<T>
  /** WireGuard's, that the node says it has. */
  readonly address: string
}

/** A node with what its acknowledgement says. Throws Failure 'impostor' unless hello's keys signed for owner and cluster. */
export function acknowledgedNode<T extends NodeFile>(
  node: T,
  answer: { open: () => Buffer; now: Date },
): Acknowledged<T> {
  try {
    const { hello, owner, cluster } = node
    const acknowledgement = verifyAcknowledgement(JSON.parse(answer.open().toString()), {
      hello,
      owner,
      cluster,
    })
    const { luksUuid, agentToken, wireguard } = acknowledgement
    const enrolled = { luksUuid, agentToken, at: formatTime(answer.now) }
    return { node: { ...node, enrolled }, address: wireguard.address }
  } catch (cause) {
    throw new Failure(
      'impostor',
      'Cannot accept the acknowledgement: the node of this hello did not make it',
      { cause },
    )
  }
}

function claimFor({ hello, grant }: NodeFile, claim: string | undefined): Pick<Completion, 'claim'> {
  return claim === undefined ? {} : { claim: sealClaim(claim, { hello, grant }) }
}

function configFor(node: GenesisFile): EnrollmentConfig {
  const { wireguard, cluster } = node
  const operator = {
    name: 'operator',
    publicKey: wireguard.operatorPublic,
    address: wireguard.operatorAddress,
  }
  const own = { address: wireguard.nodeAddress, prefix: wireguard.prefix, listenPort: wireguard.listenPort }
  return {
    v: 1,
    cluster,
    clusterSecret: node.clusterSecret,
    wireguard: { ...own, peers: [operator] },
  }
}

function explainLoss(error: unknown, node: NodeFile): unknown {
  if (!(error instanceof Failure) || error.exit !== 'unreachable') return error
  return new Failure('unreachable', 'The answer of the node was lost: it may be enrolled or not', {
    cause: error,
    hint: `Run the same command again. If port 9999 is closed by then, first bring WireGuard up: orama node wg-config --node-ip ${node.nodeIp}`,
  })
}
