import { normalizeTyped } from '../protocol/claim.ts'
import { joinAnswerSchema, sealClaim } from '../protocol/cluster/joining.ts'
import type { JoinRequest } from '../protocol/cluster/joining.ts'
import { enrollmentCodeText, fromBase64url } from '../protocol/fields.ts'
import { parseGrant } from '../protocol/grant.ts'
import { nodeIdOf } from '../protocol/hello.ts'
import { acknowledgementAnswerSchema } from '../protocol/requests.ts'
import { sameAddress } from '../protocol/wallet.ts'
import { fetchAcknowledgement } from './acknowledge.ts'
import { isSet, optional } from './command.ts'
import type { Input, Output } from './command.ts'
import { Failure } from './failure.ts'
import { askGateway, askOffer, checkOffer } from './gateway.ts'
import { fetchHello, fetchWaitingHello } from './greet.ts'
import type { Greeting } from './greet.ts'
import { isSameJoin, newJoinedFile } from './join-grant.ts'
import type { Joining } from './join-grant.ts'
import { joinedNode } from './joined.ts'
import { isGenesis, loadNodes, nodesFolder, nowhere, saveNode, setAsidePredecessors } from './node-file.ts'
import type { Enrolled, JoinedFile, NodeFile } from './node-file.ts'
import { walletInput } from './sign-in.ts'
import { keepTicketPlace, withTicket } from './ticket.ts'
import type { Ticket } from './ticket.ts'
import { withWallet } from './wallet.ts'
import type { World } from './world.ts'

/** Where the node is: at an address with its page on a port, or waiting at the gateway under its code. */
export type Whereabouts = { readonly nodeIp: string; readonly pageUrl: string } | { readonly code: string }

/**
 * Has a node join the cluster of an invite, by a gateway, up to its verified acknowledgement; run again, it goes on
 * where it stopped. The gateway is believed nothing: node, grant and member record prove themselves.
 */
export async function joinNode(world: World, input: Input, where: Whereabouts): Promise<Output> {
  return withTicket(world, input, async ticket => {
    const offer = await askOffer(world, ticket.environment)
    checkOffer(offer, ticket.environment)
    const errand: Errand = { world, input, ticket, where }
    const earlier = await earlierFile(errand)
    const greeting = await greet(errand, earlier)
    if (greeting === undefined) return finishEarlier(errand, earlier)
    const nodeIp = 'code' in where ? nowhere : where.nodeIp
    const node = await prepare(errand, { greeting, nodeIp, ticket, offer, now: world.now() })
    return send(errand, node, greeting.claim)
  })
}

/** Reads --by-code. Throws Failure 'usage' for what does not go with it. */
export function readCode(input: Input): string | undefined {
  const typed = optional(input, 'by-code')
  if (typed === undefined) return undefined
  const code = normalizeTyped(typed)
  if (!enrollmentCodeText.safeParse(code).success)
    throw new Failure('usage', 'Option --by-code is no enrollment code: it has eight letters and digits')
  for (const other of ['node-ip', 'code', 'port', 'trust-network'])
    if (input.values[other] !== undefined)
      throw new Failure('usage', `--by-code does not go with --${other}`, {
        hint: 'The node that has this code is asked for at the gateway, and the code is compared',
      })
  return code
}

type Errand = {
  readonly world: World
  readonly input: Input
  readonly ticket: Ticket
  readonly where: Whereabouts
}

/** The file of the last join of this cluster that was begun there. */
async function earlierFile({ world, input, ticket, where }: Errand): Promise<JoinedFile | undefined> {
  const joined = (await loadNodes(nodesFolder(world, input))).filter(node => isJoined(node))
  return joined.find(
    node =>
      node.cluster === ticket.environment.cluster &&
      ('code' in where ? parseGrant(node.grant.text).code === where.code : node.nodeIp === where.nodeIp),
  )
}

function isJoined(node: NodeFile): node is JoinedFile {
  return !isGenesis(node)
}

/** The node's hello; undefined when it does not wait any more and an earlier join of it is on file. */
async function greet(
  { world, input, ticket, where }: Errand,
  earlier: JoinedFile | undefined,
): Promise<Greeting | undefined> {
  try {
    if ('code' in where)
      return await fetchWaitingHello(world, { input, place: ticket.environment, code: where.code })
    return await fetchHello(world, { input, url: where.pageUrl })
  } catch (error) {
    if (earlier !== undefined && isGone(error)) return undefined
    throw error
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Failure && (error.exit === 'unreachable' || error.status === 404)
}

/** The node waits no more: it may have joined while the answer was lost, and the gateway knows. */
async function finishEarlier(errand: Errand, node: JoinedFile | undefined): Promise<Output> {
  if (node === undefined) throw new Failure('unreachable', 'Cannot find an earlier enrollment of this node')
  const { enrolled, address } = node
  if (enrolled !== undefined && address !== undefined) {
    errand.world.err(`The node waits no more, and is on file as enrolled since ${enrolled.at}\n`)
    return describeNode({ ...node, enrolled })
  }
  errand.world.err('The node waits no more: asking the gateway what became of its enrollment\n')
  return send(errand, node, undefined)
}

/** The node file, on the disk, with a grant: the one of an earlier try where that is still good. */
async function prepare(errand: Errand, joining: Joining): Promise<JoinedFile> {
  const { world, input, ticket } = errand
  const folder = nodesFolder(world, input)
  const nodeId = nodeIdOf(fromBase64url(joining.greeting.hello.identity))
  const earlier = (await loadNodes(folder)).filter(isJoined).find(node => node.nodeId === nodeId)
  if (earlier !== undefined && isSameJoin(earlier, joining)) {
    world.err(`Going on with the grant that ${earlier.owner} signed before\n`)
    return earlier
  }
  await keepTicketPlace(world, input, ticket)
  return withWallet(world, walletInput(input, ticket.environment), async wallet => {
    const node = newJoinedFile(joining, { wallet, earlier })
    await saveNode(world, folder, node)
    return node
  })
}

// The gateway waits for the node, which makes its disk, for 180 s.
const timeoutMs = 200_000

async function send(errand: Errand, node: JoinedFile, claim: string | undefined): Promise<Output> {
  const { world, ticket } = errand
  const { environment } = ticket
  const { hello, grant, proof, asking } = node
  const box = claim === undefined ? {} : { claim: sealClaim(claim, { hello, grant }) }
  const request: JoinRequest = { hello, grant, proof, asking, ...box }
  world.err('Sending grant and invite; the node now makes its disk, which may take a minute\n')
  try {
    const answer = await askGateway(world, environment, {
      method: 'POST',
      path: '/v1/node/enroll',
      body: JSON.stringify(request),
      answer: joinAnswerSchema,
      timeoutMs,
    })
    const { authority } = environment
    const joined = joinedNode(node, { answer, authority, now: world.now() })
    if (!sameAddress(joined.inviter, authority))
      world.err(`Invited by ${joined.inviter}: that the authority appointed it, the node has checked\n`)
    return await finish(errand, joined.node)
  } catch (error) {
    if (!(error instanceof Failure) || error.status !== 409) throw explainLoss(error)
    return askAgain(errand, node, error)
  }
}

/**
 * The gateway says that the node has joined, or that something else is in the way: the node itself knows. Throws what
 * the gateway said where the node cannot be asked.
 */
async function askAgain(errand: Errand, earlier: JoinedFile, refusal: Failure): Promise<Output> {
  const { world, input, ticket } = errand
  const { environment } = ticket
  const ask = (body: string) =>
    askGateway(world, environment, {
      method: 'POST',
      path: `/v1/node/acknowledgement?node_id=${earlier.nodeId}`,
      body,
      answer: acknowledgementAnswerSchema,
    })
  const folder = nodesFolder(world, input)
  world.err('Asking the node itself whether it has joined, by an order of its owner\n')
  const { node, address } = await withWallet(world, walletInput(input, environment), wallet =>
    fetchAcknowledgement(world, { node: earlier, folder, wallet, ask }),
  ).catch((cause: unknown) => {
    if (cause instanceof Failure && (cause.status !== undefined || cause.exit === 'unreachable'))
      throw refusal
    throw cause
  })
  return finish(errand, { ...node, address })
}

async function finish({ world, input }: Errand, node: Enrolled<JoinedFile>): Promise<Output> {
  const folder = nodesFolder(world, input)
  await saveNode(world, folder, node)
  await setAsidePredecessors(world, folder, node)
  return describeNode(node)
}

/** What is lost on the way may have been carried out. */
function explainLoss(error: unknown): unknown {
  const isLost =
    error instanceof Failure &&
    error.exit === 'unreachable' &&
    (error.status === undefined || error.status === 504)
  if (!isLost) return error
  return new Failure('unreachable', 'The answer was lost: the node may be enrolled or not', {
    cause: error,
    hint: 'Run the same command again: it goes on where this one stopped',
  })
}

function describeNode(node: Enrolled<JoinedFile>): Output {
  const { nodeId, nodeIp, cluster, owner, address, environment, enrolled } = node
  const { luksUuid, at } = enrolled
  const json = { nodeId, nodeIp, cluster, owner, address, environment, luksUuid, enrolledAt: at }
  const text = [
    `Node ${nodeId} joined cluster ${cluster} at ${String(address)}; its owner is ${owner}.`,
    `Next: orama node status --env ${environment} --node ${nodeId}`,
  ].join('\n')
  return { json, text }
}

/** Whether a command line asks for a join. */
export function asksToJoin(input: Input): boolean {
  return (
    ['invite', 'token', 'by-code'].some(name => optional(input, name) !== undefined) &&
    !isSet(input, 'genesis')
  )
}
