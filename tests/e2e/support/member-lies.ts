import { evicted, composeEviction, type Departure, signLeaving } from '../../../protocol/cluster/departure.ts'
import { type EndpointRecord, signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import type { MemberRecord } from '../../../protocol/cluster/member.ts'
import { type MembershipRecords, noMembers } from '../../../protocol/cluster/membership.ts'
import type { News } from '../../../protocol/cluster/news.ts'
import { composeAppointment } from '../../../protocol/cluster/trust.ts'
import { formatTime } from '../../../protocol/fields.ts'
import {
  genesisRecord,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
  type TestNode,
  type TestWallet,
} from '../../protocol/cluster/sample.ts'

/** A cluster as a gateway knows it: the genesis, which is asked, and one more member; and its owner's wallet. */
export type Played = {
  readonly cluster: string
  readonly owner: TestWallet
  readonly genesis: string
  readonly second: TestNode
  readonly member: MemberRecord
}

/** Makes a second member, whom the owner has invited as it should be. */
export function secondMember(of: Pick<Played, 'cluster' | 'owner' | 'genesis'>): Played {
  const second = newNode()
  return { ...of, second, member: invited(of, { node: second, operator: of.owner }) }
}

/** The wallet of a gateway that was taken over: nobody appointed it. */
export const double = newWallet()

/** News of the cluster that are none, each with what the node says to it. */
export function newsLies(played: Played): readonly (readonly [what: string, news: News, why: RegExp])[] {
  return [
    ...memberLies(played).map(([what, one, why]) => [what, news({ members: [one] }), why] as const),
    ...departureLies(played).map(([what, one, why]) => [what, news({ departures: [one] }), why] as const),
    ...orderLies(played),
    ...endpointLies(played).map(([what, one, why]) => [what, moved(one), why] as const),
  ]
}

export function news(membership: Partial<MembershipRecords>): News {
  return { membership: { ...noMembers, ...membership }, endpoints: [] }
}

export function moved(...endpoints: readonly EndpointRecord[]): News {
  return { membership: noMembers, endpoints }
}

/** Where the second member is, in its own words unless another identity signs them. */
export function endpointOf(
  { cluster, second }: Played,
  { number, ...changes }: Partial<EndpointRecord> & { readonly number: number },
  by = second,
): EndpointRecord {
  const facts = { cluster, node: second.nodeId, endpoint: '192.0.2.66:51820', ...changes, number }
  return signEndpoint(facts, by.keys.identity.privateKey)
}

type Cluster = Pick<Played, 'cluster' | 'owner'>

function invited({ cluster, owner }: Cluster, how: Parameters<typeof joinRecord>[0]): MemberRecord {
  const grant = { cluster, authority: owner.address, ...how?.grant }
  return joinRecord({ ...how, grant, voucher: { cluster } })
}

function memberLies(played: Played): readonly (readonly [string, MemberRecord, RegExp])[] {
  const { cluster, owner, member } = played
  const [address, authority] = ['10.0.0.66', double.address]
  const own = invited(played, { address, operator: double })
  const { invite } = own
  if (invite === undefined || member.invite === undefined) throw new Error('Cannot lie: nobody was invited')
  const spent = { ...own, invite: { ...invite, voucher: member.invite.voucher } }
  const genesis = { grant: { cluster, authority: owner.address }, owner: double, address }
  const foreign = { grant: { authority }, operator: double, address }
  return [
    ['a member that the gateway invites', own, /signed by 0x\w+, who is no operator of this cluster/],
    ['a member with the voucher of another', spent, /its voucher is for another invite/],
    ['a member without an invite', { ...own, invite: undefined }, /nobody invited it/],
    ['a member of another cluster', joinRecord({ operator: owner, address }), /it is of another cluster/],
    ['a member under another authority', invited(played, foreign), /its grant names another authority/],
    ['another genesis', genesisRecord(genesis), /a genesis of 0x\w+, who is not the authority/],
    [
      'a member at an address of the choice of the gateway',
      { ...member, address, signature: own.signature },
      /is known with another record/,
    ],
  ]
}

const at = () => formatTime(new Date())

function departureLies(played: Played): readonly (readonly [string, Departure, RegExp])[] {
  const { cluster, owner, genesis, second } = played
  const eviction = (node: string, by: TestWallet) =>
    signedBy(by, composeEviction({ cluster, node, force: 'yes', issued: at() }))
  const { nodeId } = second
  const leaving = { cluster, node: nodeId, at: at() }
  const stolen = eviction(newNode().nodeId, owner)
  return [
    ['an eviction by the gateway', evicted(nodeId, eviction(nodeId, double)), /who is no operator/],
    ['an eviction of the node itself', evicted(genesis, eviction(genesis, double)), /who is no operator/],
    ['an eviction of another node', evicted(nodeId, stolen), /it is for another node or cluster/],
    ['a leaving', signLeaving(leaving, newNode().keys.lease.privateKey), /n\w+ did not sign it/],
  ]
}

function orderLies({ cluster, second }: Played): readonly (readonly [string, News, RegExp])[] {
  const order = { cluster, issued: at(), number: Date.now() }
  const hold = signedBy(double, composeHold({ ...order, node: second.nodeId, action: 'hold' }))
  const operators = [{ address: double.address }]
  const appointment = signedBy(double, composeAppointment({ ...order, operators }))
  return [
    ['a hold by the gateway', news({ holds: [hold] }), /who is no operator/],
    ['the gateway for an operator', news({ appointment }), /the authority is 0x/],
  ]
}

function endpointLies(played: Played): readonly (readonly [string, EndpointRecord, RegExp])[] {
  const { genesis } = played
  const [number, stranger] = [Date.now(), newNode()]
  const why = /the node did not sign it/
  return [
    ['a move that the member did not sign', endpointOf(played, { number }, stranger), why],
    ['a move of the node itself', endpointOf(played, { number, node: genesis }, stranger), why],
    ['a move in another cluster', endpointOf(played, { number, cluster: '0b'.repeat(16) }), why],
    [
      'a move of nobody',
      endpointOf(played, { number, node: stranger.nodeId }, stranger),
      /nobody knows this node/,
    ],
  ]
}
