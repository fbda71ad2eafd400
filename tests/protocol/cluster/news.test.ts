import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { composeEviction, evicted, signLeaving } from '../../../protocol/cluster/departure.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { inviteOf } from '../../../protocol/cluster/member.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { type News, newsDigest, newsMessageSchema } from '../../../protocol/cluster/news.ts'
import { composeAppointment } from '../../../protocol/cluster/trust.ts'
import { authority, cluster, genesisRecord, joinRecord, newNode, signedBy, type TestNode } from './sample.ts'

const issued = '2026-11-27T08:00:00Z'
const [first, second, third, rival] = [newNode(), newNode(), newNode(), newNode()]
const token = randomBytes(32)
const members = [
  genesisRecord({ node: first }),
  joinRecord({ node: second, address: '10.0.0.2' }),
  joinRecord({ node: third, token, address: '10.0.0.3' }),
] as const
const endpoint = ({ nodeId, keys }: TestNode, number = 1, host = '192.0.2.9') =>
  signEndpoint({ cluster, node: nodeId, number, endpoint: `${host}:51820` }, keys.identity.privateKey)
const hold = ({ nodeId: node }: TestNode, number = 1) =>
  signedBy(authority, composeHold({ cluster, node, action: 'hold', number, issued }))
const appointment = signedBy(authority, composeAppointment({ cluster, number: 1, operators: [], issued }))
const leaving = ({ nodeId: node, keys }: TestNode) =>
  signLeaving({ cluster, node, at: issued }, keys.lease.privateKey)
const left = leaving(third)
const eviction = composeEviction({ cluster, node: third.nodeId, force: 'no', issued })

/** Three members, of whom one has left, with all there may be. */
const news: News = {
  membership: { appointment, members, departures: [left], holds: [hold(first), hold(second)] },
  endpoints: [endpoint(first), endpoint(second)],
}
const changed = (membership: Partial<News['membership']>, endpoints = news.endpoints): News => ({
  membership: { ...news.membership, ...membership },
  endpoints,
})

t.test('newsDigest() is SHA-256 over a line for each record, sorted', async t => {
  const lines = [
    ['appointment', appointment.text],
    ['departure', inviteOf(members[2])],
    ['endpoint', first.nodeId, 1],
    ['endpoint', second.nodeId, 1],
    ...[hold(first), hold(second)].map(({ text }) => ['hold', text]),
    ['member', first.nodeId, members[0].signature],
    ['member', second.nodeId, members[1].signature],
  ].map(line => JSON.stringify(line))
  const text = ['orama-news-v1', ...lines.toSorted()].join('\n')
  t.equal(newsDigest(news), createHash('sha256').update(text).digest('hex'))
})

const [, { hello, address, signature, grant, invite }] = members
const same: readonly (readonly [string, News])[] = [
  [
    'all in another order',
    {
      endpoints: news.endpoints.toReversed(),
      membership: {
        ...{ holds: [hold(second), hold(first)], departures: [left] },
        ...{ members: members.toReversed(), appointment },
      },
    },
  ],
  [
    'a member with its fields in another order',
    changed({ members: [members[0], { signature, address, invite, grant, hello, v: 1 }, members[2]] }),
  ],
  ['where a node that is gone was', changed({}, [...news.endpoints, endpoint(third)])],
  ['where somebody is who is no member', changed({}, [...news.endpoints, endpoint(newNode())])],
  [
    'an eviction of who left',
    changed({ departures: [evicted(third.nodeId, signedBy(authority, eviction))] }),
  ],
  [
    'another record of who is gone',
    changed({ members: [members[0], members[1], joinRecord({ node: third, token, address: '10.0.0.4' })] }),
  ],
  [
    'another node that came by the invite of who is gone, and is gone',
    changed({
      members: [members[0], members[1], joinRecord({ node: rival, token, address: '10.0.0.3' })],
      departures: [leaving(rival)],
    }),
  ],
  ['a hold of who is gone', changed({ holds: [hold(first), hold(second), hold(third)] })],
  [
    'the same grant, signed once more',
    changed({
      members: [
        members[0],
        { ...members[1], grant: { ...grant, signature: `0x${'1'.repeat(130)}` } },
        members[2],
      ],
    }),
  ],
]
for (const [what, other] of same)
  t.test(`newsDigest() is the same for ${what}`, async t => {
    t.equal(newsDigest(other), newsDigest(news))
  })

const different: readonly (readonly [string, News])[] = [
  ['no appointment', changed({ appointment: undefined })],
  ['a member less', changed({ members: [members[0], members[2]] })],
  [
    'a member at another address',
    changed({ members: [members[0], joinRecord({ node: second }), members[2]] }),
  ],
  ['who is not gone', changed({ departures: [] })],
  ['a genesis that is gone', changed({ departures: [left, leaving(first)] })],
  [
    'another node by the invite of who is gone, which is not',
    changed({
      members: [members[0], members[1], joinRecord({ node: rival, token, address: '10.0.0.3' })],
      departures: [],
    }),
  ],
  [
    'another node that is gone',
    changed({
      members: [members[0], members[1], joinRecord({ node: rival, address: '10.0.0.3' })],
      departures: [leaving(rival)],
    }),
  ],
  ['a hold less', changed({ holds: [hold(first)] })],
  ['no holds', changed({ holds: undefined })],
  ['a newer hold', changed({ holds: [hold(first), hold(second, 2)] })],
  ['an endpoint less', changed({}, news.endpoints.slice(1))],
  ['a newer endpoint', changed({}, [endpoint(first), endpoint(second, 2)])],
]
for (const [what, other] of different)
  t.test(`newsDigest() is another for ${what}`, async t => {
    t.not(newsDigest(other), newsDigest(news))
  })

const digest = newsDigest(news)
t.test('newsMessageSchema takes a digest, with all of the news or without', async t => {
  for (const message of [{ digest }, { digest, news }])
    t.same(newsMessageSchema.parse(structuredClone(message)), message)
})

const refused: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['news without a digest', { news }],
  ['news as they were said before', news],
  ['a field more', { digest, more: 1 }],
  ['a short digest', { digest: digest.slice(1) }],
  ['a long digest', { digest: `${digest}0` }],
  ['a digest in capitals', { digest: digest.toUpperCase().replace(/^./, 'A') }],
  ['a digest that is a list', { digest: [digest] }],
  ['no news but null', { digest, news: null }],
  ['news with a field more', { digest, news: { ...news, more: 1 } }],
  ['news without endpoints', { digest, news: { membership: news.membership } }],
  [
    'too many endpoints',
    { digest, news: { ...news, endpoints: Array.from({ length: 257 }, () => news.endpoints[0]) } },
  ],
]
for (const [what, message] of refused)
  t.test(`newsMessageSchema refuses ${what}`, async t => {
    t.equal(newsMessageSchema.safeParse(message).success, false)
  })
