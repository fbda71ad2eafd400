import { composeEviction, evicted, signLeaving } from '../../../../protocol/cluster/departure.ts'
import { composeHold, type Hold } from '../../../../protocol/cluster/hold.ts'
import { type MembershipRecords, present, recordsOf } from '../../../../protocol/cluster/membership.ts'
import { composeAppointment, type Operator } from '../../../../protocol/cluster/trust.ts'
import type { Statement } from '../../../../services/gateway/registry/database.ts'
import { readEntries } from '../../../../services/gateway/registry/member-entries.ts'
import { type Members, membersOf } from '../../../../services/gateway/registry/members.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  signedBy,
  type TestNode,
  type TestWallet,
} from '../../../protocol/cluster/sample.ts'
import type { Pair } from './backend.ts'

export const none: MembershipRecords = { members: [], departures: [] }
export const [first, second, third] = [newNode(), newNode(), newNode()]
export const genesis = genesisRecord({ node: first })
export const joined = joinRecord({ node: second, address: '10.0.0.2' })
export const issued = '2026-11-22T08:00:00Z'
export const leaving = (node: TestNode, by = node) =>
  signLeaving({ cluster, node: node.nodeId, at: issued }, by.keys.lease.privateKey)
export const evicting = (node: TestNode, by: TestWallet) =>
  evicted(node.nodeId, signedBy(by, composeEviction({ cluster, node: node.nodeId, force: 'no', issued })))
export const appointing = (number: number, operators: readonly Operator[], by = authority) =>
  signedBy(by, composeAppointment({ cluster, number, operators, issued }))

export const numbered = Date.parse(issued)
export const holding = (
  number: number,
  action: Hold['action'],
  { by = authority, node = second, at = issued } = {},
) => signedBy(by, composeHold({ cluster, node: node.nodeId, action, number, issued: at }))

export const both = ([a, b]: Pair) =>
  [
    membersOf(a, { cluster, authority: authority.address }),
    membersOf(b, { cluster, authority: authority.address }),
  ] as const
/** How many rows were added, the bad ones among them. */
export const rowCount = async ([a]: Pair) => (await readEntries(a, 0)).length
export const known = async (members: Members) => recordsOf(await members.membership())
export const ids = async (members: Members) => present(await members.membership()).map(one => one.nodeId)

/** A row as somebody writes it who has the database's password. */
export const insertedAt = (
  sequence: number,
  [kind = '', name = '', body = '']: readonly string[],
): Statement => [
  'INSERT INTO records (sequence, kind, name, body, at) VALUES (:sequence, :kind, :name, :body, :at)',
  { sequence, kind, name, body, at: issued },
]
