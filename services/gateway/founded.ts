import type { MembershipRecords } from '../../protocol/cluster/membership.ts'
import { parseGrant } from '../../protocol/grant.ts'

/**
 * When a cluster was made: its authority signed the grant of its genesis then, which every member knows, also when the
 * genesis has left. Throws RangeError where there is none.
 */
export function foundedAt({ members }: Pick<MembershipRecords, 'members'>): string {
  const [first] = members
    .map(record => parseGrant(record.grant.text))
    .filter(grant => grant.kind === 'genesis')
    .map(grant => grant.issued)
    .toSorted()
  if (first === undefined)
    throw new RangeError('Cannot tell when the cluster was made: nobody knows its genesis')
  return first
}
