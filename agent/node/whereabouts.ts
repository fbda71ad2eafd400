import { type EndpointRecord, signEndpoint } from '../../protocol/cluster/endpoint.ts'
import { noMembers } from '../../protocol/cluster/membership.ts'
import { formatTime } from '../../protocol/fields.ts'
import type { Node } from './serve.ts'

/** Another machine that speaks with this node's key: where it says that it is, and when that was heard. */
export type Copy = { readonly endpoint: string; readonly heard: string }

export type Speaker = Pick<Node, 'record' | 'view' | 'copy'> & {
  readonly machine: Pick<Node['machine'], 'address'>
}

export type SpeakerWorld = {
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs: () => number
  readonly now: () => Date
  readonly log: (line: string) => void
}

/** Two machines with one key contradict each other for ever: each of them so often. */
const contradictMs = 60_000

/**
 * Says where this node is, when it is called and others do not know: a new address at once. Where another machine says
 * with this node's key that it is elsewhere, it is said again with a higher number, once a minute.
 */
export function whereabouts(node: Speaker, world: SpeakerWorld): () => Promise<void> {
  let said: EndpointRecord | undefined
  let here: string | undefined
  let contradictedMs = -Infinity
  return async () => {
    const endpoint = endpointOf(node)
    const known = node.view.news().endpoints.find(one => one.node === node.record.nodeId)
    if (endpoint === undefined) return
    const hasMoved = here !== endpoint
    here = endpoint
    if (known?.endpoint === endpoint) {
      said = known
      return
    }
    if (known !== undefined && isOfAnother(known, said)) {
      noteCopy(node, known, world)
      if (!hasMoved && world.nowMs() - contradictedMs < contradictMs) return
      contradictedMs = world.nowMs()
      world.log(
        `cluster: another machine says with this node's key that it is at ${known.endpoint}: somebody runs a copy`,
      )
    } else if (!hasMoved) return // The view takes nothing of who was evicted.
    said = (await say(node, { endpoint, above: known?.number ?? 0 }, world)) ?? said
  }
}

function endpointOf({ machine, record }: Speaker): string | undefined {
  return machine.address === undefined ? undefined : `${machine.address}:${record.wireguard.listenPort}`
}

/** What this node itself has said since it started is known here; before, it may have said anything but the last number. */
function isOfAnother(known: EndpointRecord, said: EndpointRecord | undefined): boolean {
  if (known.number >= Number.MAX_SAFE_INTEGER) return true
  return said !== undefined && known.number >= said.number && known.signature !== said.signature
}

function noteCopy(node: Speaker, { endpoint }: EndpointRecord, { now }: SpeakerWorld): void {
  if (node.copy?.endpoint !== endpoint) node.copy = { endpoint, heard: formatTime(now()) }
}

type Saying = { readonly endpoint: string; readonly above: number }

/** Undefined where no number is left for it. */
async function say(
  node: Speaker,
  { endpoint, above }: Saying,
  { now, log }: SpeakerWorld,
): Promise<EndpointRecord | undefined> {
  const { record, view } = node
  const number = Math.max(now().getTime(), above + 1)
  if (!Number.isSafeInteger(number)) {
    log(`cluster: no number is left to say that this node is at ${endpoint}: tell the others by an order`)
    return undefined
  }
  const identity = Buffer.from(record.identityPrivate, 'base64url')
  try {
    const signed = signEndpoint({ cluster: record.cluster, node: record.nodeId, number, endpoint }, identity)
    await view.hear({ membership: noMembers, endpoints: [signed] })
    log(`cluster: this node is at ${endpoint}`)
    return signed
  } finally {
    identity.fill(0)
  }
}
