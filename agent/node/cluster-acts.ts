import { checkDeparture, evicted, parseEviction } from '../../protocol/cluster/departure.ts'
import { checkHold, type Hold, parseHold } from '../../protocol/cluster/hold.ts'
import { noMembers } from '../../protocol/cluster/membership.ts'
import type { News } from '../../protocol/cluster/news.ts'
import { formatTime, type SignedText } from '../../protocol/fields.ts'
import { HttpError } from '../../http/error.ts'
import { leftShort } from '../shares/removal.ts'
import { describe } from '../system/log.ts'
import type { Node } from './serve.ts'

// What operators order is signed for the cluster, not for one node: any node takes it, open or not, and passes it on.

/** What these acts need of the node. */
export type ClusterSide = Pick<Node, 'record' | 'view' | 'spread'>

/** Clocks may differ by so much. */
const aheadMsMax = 5 * 60_000

/**
 * Takes a hold or release of some node. Throws HttpError: 400 for a text that says something else, 403 where no
 * operator of this cluster signed it, 409 where a newer one is known, or it is dated ahead.
 */
export async function holdNode(
  node: ClusterSide,
  action: 'hold' | 'release',
  order: SignedText,
): Promise<object> {
  const hold = readText(() => parseHold(order.text))
  if (hold.action !== action)
    throw new HttpError(400, `the text says '${hold.action}'`, 'send it as what it is')
  // What is refused counts against who tells news; nobody may use up the patience that operators need.
  checkSigned(() => checkHold(order, node.view.membership().trust))
  const known = () => node.view.membership().holds.get(hold.node)
  // To outdo one of a clock that was ahead, which came by news, it has to be dated ahead as well.
  refuseAhead(hold.issued, known()?.hold.number)
  await hearOne(node, { membership: { ...noMembers, holds: [order] }, endpoints: [] })
  const counts = known()
  if (counts !== undefined && counts.signed.text !== order.text) throw outdone(counts.hold)
  return { status: action === 'hold' ? 'held' : 'released', node: hold.node }
}

function outdone({ number, issued }: Hold): HttpError {
  const why = `a newer hold or release of that node is known, signed at ${issued}, number ${number}`
  return new HttpError(409, why, `sign a new one; where a clock was ahead, with --above ${number}`)
}

/**
 * Throws HttpError 409 for what is dated ahead of this node's clock and of `besidesMs`. News are not refused so: the
 * others would differ in what they know by their clocks.
 */
function refuseAhead(issued: string, besidesMs = 0): void {
  const nowMs = Date.now()
  if (Date.parse(issued) <= Math.max(nowMs, besidesMs) + aheadMsMax) return
  throw new HttpError(
    409,
    `it is signed at ${issued}, and the clock of this node says ${formatTime(new Date(nowMs))}`,
    'set the clock of the machine that signs, and sign anew; where that of the node is wrong, send it to another',
  )
}

/**
 * Takes an eviction. Throws HttpError: 403 where no operator of this cluster signed it, 404 for no member, 409 where it
 * is dated ahead, or some node would have too few holders of its shares, by name, unless the eviction is forced.
 */
export async function evictNode(node: ClusterSide, order: SignedText): Promise<object> {
  const { node: nodeId, force, issued } = readText(() => parseEviction(order.text))
  const membership = node.view.membership()
  const departure = evicted(nodeId, order)
  const member = membership.members.get(nodeId)
  if (member === undefined) throw new HttpError(404, 'nobody knows that node', 'status says who is a member')
  if (membership.departures.has(nodeId)) return { status: 'evicted', node: nodeId }
  // Before it is said who depends on whom.
  checkSigned(() => {
    checkDeparture(departure, member.hello, membership.trust)
  })
  refuseAhead(issued)
  if (force === 'no') refuseShort(node, nodeId)
  await hearOne(node, { membership: { ...noMembers, departures: [departure] }, endpoints: [] })
  return { status: 'evicted', node: nodeId }
}

/** Throws HttpError 409 where a node that goes is needed as a holder of shares. */
export function refuseShort({ record, view }: ClusterSide, nodeId: string): void {
  const { heardMsAgo } = view
  const short = leftShort({
    node: nodeId,
    membership: view.membership(),
    record,
    now: new Date(),
    heardMsAgo,
  })
  if (short.length === 0) return
  throw new HttpError(
    409,
    `too few would hold the shares of ${short.join(', ')}`,
    'wait until they have shared anew: half an hour after somebody went, 90 min after a join; or sign it with force',
  )
}

function checkSigned(check: () => unknown): void {
  try {
    check()
  } catch (cause) {
    throw new HttpError(403, describe(cause), 'only an operator of this cluster can order that')
  }
}

/** Throws HttpError 400 with what is wrong with a text that cannot be read. */
export function readText<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new HttpError(400, describe(cause), 'send the text that was signed, and its signature')
  }
}

/** Takes news of one thing. Throws HttpError 403 with the reason where it does not prove itself. */
export async function hearOne({ spread }: ClusterSide, news: News): Promise<void> {
  if (spread === undefined)
    throw new HttpError(409, 'the node is not in touch with its cluster yet', 'ask again in a moment')
  const { refusals } = await spread.hear(news, 'an operator')
  const [refusal] = refusals
  if (refusal !== undefined)
    throw new HttpError(403, refusal.why, 'only an operator of this cluster can order that')
}
