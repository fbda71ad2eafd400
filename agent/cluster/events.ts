import type { Departure } from '../../protocol/cluster/departure.ts'
import type { Hold } from '../../protocol/cluster/hold.ts'
import type { Member } from '../../protocol/cluster/member.ts'
import { type Membership, present } from '../../protocol/cluster/membership.ts'
import type { Trust } from '../../protocol/cluster/trust.ts'

/**
 * Whom the authority appoints, who has joined, and what an operator or a node that leaves has made happen, between two
 * views of a cluster: a line each, for the log.
 */
export function eventsBetween(before: Membership, after: Membership): readonly string[] {
  const joined = present(after).filter(one => !before.members.has(one.nodeId))
  const departed = [...after.departures.values()].filter(one => !before.departures.has(one.node))
  const ordered = [...after.holds.values()].map(one => one.hold)
  const held = ordered.filter(({ node, number }) => before.holds.get(node)?.hold.number !== number)
  return [
    ...(before.trust.number === after.trust.number ? [] : [describeOperators(after.trust)]),
    ...[...joined.map(describeMember), ...departed.map(describeDeparture), ...held.map(describeHold)],
  ]
}

function describeOperators({ operators, number }: Trust): string {
  const list = operators.map(({ address, retired }) =>
    retired === undefined ? address : `${address} until ${retired}`,
  )
  return `the authority appoints operators: ${list.join(', ') || 'nobody'} (number ${number})`
}

function describeMember({ nodeId, address }: Member): string {
  return `${nodeId} has joined at ${address}`
}

function describeDeparture({ kind, node }: Departure): string {
  return kind === 'left' ? `${node} has left` : `${node} was evicted by an operator`
}

function describeHold({ node, action, number, issued }: Hold): string {
  const what =
    action === 'hold'
      ? 'is held: guardians keep its shares back'
      : 'is held no more: guardians give its shares'
  return `${node} ${what} (signed at ${issued}, number ${number})`
}
