import { formatTime } from '../../protocol/fields.ts'
import { epochName } from '../../protocol/shares/epoch.ts'
import { nextMode } from '../../protocol/shares/plan.ts'
import type { SharesStatus } from '../../protocol/status.ts'
import type { Node } from './serve.ts'

const troubleMax = { lines: 16, characters: 200 } as const

export type ShareFacts = Pick<Node, 'record' | 'view' | 'contacts' | 'care' | 'copy'>

/** How the disk secret is kept: of the present way, and what a person has to know of it. */
export function sharesStatus(node: ShareFacts): SharesStatus {
  const { current } = node.record.openings
  const members = node.view.members().length
  const trouble = troubleOf(node)
  const more = { ...(trouble.length === 0 ? {} : { trouble }), members }
  if (current.kind === 'escrow') return { mode: 'escrow', ...more }
  const { epoch } = current
  const guardians = epoch.holders.map(({ node: nodeId }) => ({ nodeId, ...contactOf(node, nodeId) }))
  return { mode: 'shares', epoch: epochName(epoch), threshold: epoch.threshold, guardians, ...more }
}

/** One that was not asked yet is not known to be reachable. */
function contactOf({ contacts }: ShareFacts, guardian: string) {
  const contact = contacts?.of(guardian)
  if (contact === undefined) return { reachable: false }
  return { reachable: contact.reachable, since: formatTime(new Date(contact.sinceMs)) }
}

function departedLine({ record, view }: ShareFacts): readonly string[] {
  const departure = view.membership().departures.get(record.nodeId)
  if (departure === undefined) return []
  if (departure.kind === 'left') return ['this node leaves its cluster']
  return ['an operator has evicted this node: no guardian gives its shares any more']
}

function heldLine({ record, view }: ShareFacts): readonly string[] {
  const found = view.membership().holds.get(record.nodeId)
  if (found?.hold.action !== 'hold') return []
  return [`held by an operator since ${found.hold.issued}: guardians do not give its shares`]
}

function copyLine({ copy }: ShareFacts): readonly string[] {
  if (copy === undefined) return []
  return [
    `another machine said with this node's key at ${copy.heard} that it is at ${copy.endpoint}: somebody runs a copy`,
  ]
}

/** The last of the guardians that are needed: nothing has to be done yet, but the next to go must not. */
function degradedLine({ record, view }: ShareFacts): readonly string[] {
  const others = view.members().filter(one => one !== record.nodeId).length
  if (record.openings.current.kind === 'escrow' || nextMode('shamir', others) !== 'degraded') return []
  return [`only ${others} guardians are left: with one less its owner has to take the secret back`]
}

function troubleOf(node: ShareFacts): readonly string[] {
  const { care, contacts, record, view } = node
  const own = care?.trouble()
  const { current } = record.openings
  const holders = current.kind === 'shares' ? current.epoch.holders : []
  const liars = holders.filter(one => contacts?.isLiar(one.node))
  const gone = holders.filter(one => !view.members().includes(one.node))
  const lines = [
    ...(own === undefined ? [] : [own]),
    ...departedLine(node),
    ...heldLine(node),
    ...copyLine(node),
    ...degradedLine(node),
    ...liars.map(one => `${one.node} gave a wrong share`),
    ...gone.map(one => `${one.node} holds a share and is no member any more`),
  ]
  return lines.slice(0, troubleMax.lines).map(line => line.slice(0, troubleMax.characters))
}
