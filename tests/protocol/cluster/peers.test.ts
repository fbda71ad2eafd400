import t from 'tap'
import { clusterView } from '../../../agent/cluster/view.ts'
import { composeEviction, type Departure, evicted, signLeaving } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { sampleRecord } from '../../agent/unlock/node-samples.ts'
import { authority, cluster, genesisRecord, joinRecord, newNode, signedBy } from './sample.ts'

const minuteMs = 60_000
const [first, second, third] = [newNode(), newNode(), newNode()]
const members = [
  genesisRecord({ node: first }),
  joinRecord({ node: second, address: '10.0.0.2' }),
  joinRecord({ node: third, address: '10.0.0.3' }),
]

const left = (agoMs: number): Departure => {
  const at = formatTime(new Date(Date.now() - agoMs))
  return signLeaving({ cluster, node: second.nodeId, at }, second.keys.lease.privateKey)
}
const putOut = (): Departure => {
  const issued = formatTime(new Date())
  const text = composeEviction({ cluster, node: second.nodeId, force: 'no', issued })
  return evicted(second.nodeId, signedBy(authority, text))
}

const rows: readonly (readonly [what: string, departure: Departure, needed: boolean, isPeer: boolean])[] = [
  ['left just now, and is needed', left(0), true, true],
  ['left just now, and nobody needs', left(0), false, false],
  ['left half an hour ago', left(31 * minuteMs), true, false],
  ['says that it leaves in an hour', left(-60 * minuteMs), true, false],
  ['was evicted just now', putOut(), true, false],
]
for (const [what, departure, isNeeded, isPeer] of rows)
  t.test(`a node that ${what}: ${isPeer ? 'a peer' : 'no peer'}`, async t => {
    const view = viewOf(first.nodeId)
    await view.hear({ membership: { ...noMembers, departures: [departure] }, endpoints: [] })
    const peers = view.peers(isNeeded ? [second.nodeId] : []).map(peer => peer.nodeId)
    t.same(peers, isPeer ? [third.nodeId, second.nodeId] : [third.nodeId])
    t.equal(view.addressOf(second.nodeId), departure.kind === 'left' ? '10.0.0.2' : undefined)
    t.notOk(view.members().includes(second.nodeId))
  })

const own: readonly (readonly [what: string, departure: Departure, peers: readonly string[]])[] = [
  ['leaves has the others until it is gone', left(0), [first.nodeId, third.nodeId]],
  ['was evicted has none of them', putOut(), []],
]
for (const [what, departure, expected] of own)
  t.test(`a node that ${what}`, async t => {
    const view = viewOf(second.nodeId)
    await view.hear({ membership: { ...noMembers, departures: [departure] }, endpoints: [] })
    const ids = view.peers().flatMap(peer => peer.nodeId ?? [])
    t.same(ids.toSorted(), [...expected].toSorted())
  })

function viewOf(nodeId: string) {
  const record = sampleRecord('00000000-0000-4000-8000-000000000000')
  const wireguard = { ...record.wireguard, address: '10.0.0.9', peers: [] }
  const membership = { members, departures: [] }
  return clusterView({ ...record, nodeId, cluster, authority: authority.address, wireguard, membership })
}
