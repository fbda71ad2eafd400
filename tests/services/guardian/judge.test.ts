import t from 'tap'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import type { MemberList } from '../../../protocol/shares/store.ts'
import { judgeCaller, judgeRelease, type ReleaseCase } from '../../../services/guardian/judge.ts'
import { cluster, newNode } from '../../protocol/cluster/sample.ts'

const [self, node, other, stranger] = [newNode(), newNode(), newNode(), newNode()]
const member = ({ nodeId, hello }: typeof node, address: string) => ({ nodeId, hello, address })
const list: MemberList = {
  cluster,
  nodeId: self.nodeId,
  members: [member(self, '10.0.0.1'), member(node, '10.0.0.2'), member(other, '10.0.0.3')],
}
const called = { cluster, guardian: self.nodeId, node: node.nodeId }

t.test('judgeCaller() finds the member that calls', async t => {
  t.same(judgeCaller(called, '10.0.0.2', list), list.members[1])
})

const callers = [
  ['the address of another member', called, '10.0.0.3', 'not-signed'],
  ['an address of nobody', called, '10.0.0.200', 'not-signed'],
  ['no address', called, '', 'not-signed'],
  ['the name of another member', { ...called, node: other.nodeId }, '10.0.0.2', 'not-signed'],
  ['the name of a stranger', { ...called, node: stranger.nodeId }, '10.0.0.2', 'not-a-member'],
  ['another cluster', { ...called, cluster: '0b'.repeat(16) }, '10.0.0.2', 'not-a-member'],
  ['another guardian', { ...called, guardian: other.nodeId }, '10.0.0.2', 'not-signed'],
  ['the name of the guardian itself', { ...called, node: self.nodeId }, '10.0.0.1', 'not-a-member'],
] as const

for (const [what, of, from, reason] of callers)
  t.test(`judgeCaller() refuses who calls with ${what}: ${reason}`, async t => {
    t.same(judgeCaller(of, from, list), { reason })
  })

const [first, second] = [newEpochId(1), newEpochId(2)]
const good: ReleaseCase = {
  asked: { epoch: second, release: { counter: 5, floor: 4 } },
  signer: 'node',
  fresh: true,
  held: false,
  holding: { epochs: [first, second], counter: 4 },
  leaseLeftMs: 0,
  upMs: 20_000,
}
const release = (counter: number, floor: number) => ({
  asked: { epoch: second, release: { counter, floor } },
})
const original = { signer: 'original' } as const

const given: readonly (readonly [string, Partial<ReleaseCase>])[] = [
  ['a locked node', {}],
  ['the epoch before', { asked: { ...good.asked, epoch: first } }],
  ['the oldest release that gets it', release(4, 4)],
  ['a node whose lease has just ended', { leaseLeftMs: 0 }],
  ['the original beside its own lease', { ...original, leaseLeftMs: 60_000 }],
  ['the original right after the start of the guardian', { ...original, upMs: 0 }],
]

for (const [who, change] of given)
  t.test(`judgeRelease() gives to ${who}`, async t => {
    t.equal(judgeRelease({ ...good, ...change }), undefined)
  })

const noShare = { reason: 'no-share', holds: [first, second] }

const refused: readonly (readonly [string, Partial<ReleaseCase>, object])[] = [
  ['a wrong signature', { signer: 'nobody' }, { reason: 'not-signed' }],
  ['a nonce that is not good', { fresh: false }, { reason: 'not-signed' }],
  ['a nonce that is not good, of the original', { ...original, fresh: false }, { reason: 'not-signed' }],
  ['a node that is held', { held: true }, { reason: 'held' }],
  ['the original of a node that is held', { ...original, held: true }, { reason: 'held' }],
  ['an old release', release(3, 3), { reason: 'release' }],
  ['an old release of the original', { ...original, ...release(3, 3) }, { reason: 'release' }],
  ['a release below its own floor', release(5, 6), { reason: 'release' }],
  ['another epoch', { asked: { ...good.asked, epoch: newEpochId(3) } }, noShare],
  ['another attempt of an epoch', { asked: { ...good.asked, epoch: newEpochId(2) } }, noShare],
  [
    'a node of which nothing is held',
    { holding: { epochs: [], counter: 0 } },
    { reason: 'no-share', holds: [] },
  ],
  ['a live lease', { leaseLeftMs: 41_001 }, { reason: 'lease', retryS: 42 }],
  ['a lease with a millisecond left', { leaseLeftMs: 1 }, { reason: 'lease', retryS: 1 }],
  ['a node right after the start', { upMs: 0 }, { reason: 'starting', retryS: 20 }],
  ['a node 20 s but a millisecond after the start', { upMs: 19_999 }, { reason: 'starting', retryS: 1 }],
  ['a live lease, right after the start', { leaseLeftMs: 60_000, upMs: 0 }, { reason: 'lease', retryS: 60 }],
  [
    'another epoch beside a live lease',
    { leaseLeftMs: 1, holding: { epochs: [first], counter: 4 } },
    { reason: 'no-share' },
  ],
  [
    'a wrong signature, held, beside a live lease',
    { signer: 'nobody', held: true, leaseLeftMs: 1 },
    { reason: 'not-signed' },
  ],
]

for (const [why, change, refusal] of refused)
  t.test(`judgeRelease() refuses ${why}`, async t => {
    t.match(judgeRelease({ ...good, ...change }), refusal)
  })
