import t from 'tap'
import type { Contact } from '../../../agent/shares/contacts.ts'
import { type ShareFacts, sharesStatus } from '../../../agent/node/share-status.ts'
import type { Opening } from '../../../protocol/shares/opening.ts'
import { statusSchema } from '../../../protocol/status.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import { sampleStatus } from '../command/sample-status.ts'
import { sampleRecord } from '../unlock/node-samples.ts'

const sharesSchema = statusSchema.shape.shares
const id = 'ab'.repeat(16)
const at = '2026-11-27T08:00:00Z'
const { nodeId } = sampleRecord('00000000-0000-4000-8000-000000000000')
const escrow: Opening = { kind: 'escrow', keyslot: 0, number: 1 }

function shared(count: number): Opening {
  const holders = Array.from({ length: count }, (_, at) => ({
    node: someNodeId(at + 1),
    x: at + 1,
    salt: 'A'.repeat(22),
    hash: 'A'.repeat(43),
  }))
  return {
    kind: 'shares',
    keyslot: 1,
    epoch: { number: 4, id, threshold: 3, made: '2026-11-27T08:00:00Z', holders },
  }
}

type Sight = {
  readonly members?: number
  readonly liars?: number
  readonly trouble?: string
  readonly held?: 'hold' | 'release'
  readonly contacts?: Readonly<Record<string, Contact>>
}

/** Node 0 of so many members, of whose guardians the first few have lied. */
function factsOf(current: Opening, { members = 6, liars = 0, trouble, held, contacts = {} }: Sight = {}) {
  const lied = Array.from({ length: liars }, (_, at) => someNodeId(at + 1))
  const facts = {
    record: { ...sampleRecord('00000000-0000-4000-8000-000000000000'), openings: { current } },
    view: {
      members: () => Array.from({ length: members }, (_, at) => someNodeId(at)),
      membership: () => ({
        departures: new Map(),
        holds: new Map(held === undefined ? [] : [[nodeId, { hold: { action: held, issued: at } }]]),
      }),
    },
    contacts: { of: (node: string) => contacts[node], isLiar: (node: string) => lied.includes(node) },
    care: { trouble: () => trouble },
  }
  return facts as unknown as ShareFacts
}

t.test('of an escrow: the mode, and how many members there are', async t => {
  t.same(sharesStatus(factsOf(escrow, { members: 2 })), { mode: 'escrow', members: 2 })
})

t.test('of shares: epoch, threshold, and each guardian as it was seen', async t => {
  const contacts = {
    [someNodeId(1)]: { reachable: true, sinceMs: Date.parse('2026-11-27T08:00:00Z') },
    [someNodeId(2)]: { reachable: false, sinceMs: Date.parse('2026-11-27T09:00:00Z') },
  }
  const found = sharesStatus(factsOf(shared(3), { contacts }))
  t.same(found, {
    mode: 'shares',
    epoch: `4-${id}`,
    threshold: 3,
    guardians: [
      { nodeId: someNodeId(1), reachable: true, since: '2026-11-27T08:00:00Z' },
      { nodeId: someNodeId(2), reachable: false, since: '2026-11-27T09:00:00Z' },
      { nodeId: someNodeId(3), reachable: false },
    ],
    members: 6,
  })
  t.same(statusSchema.parse({ ...sampleStatus, shares: found }).shares, found)
})

t.test('what a person has to mend is named: liars, and holders that are no members', async t => {
  const { trouble } = sharesStatus(factsOf(shared(5), { members: 5, liars: 1, trouble: 'too few' }))
  t.same(trouble, [
    'too few',
    `${someNodeId(1)} gave a wrong share`,
    `${someNodeId(5)} holds a share and is no member any more`,
  ])
})

t.test('a hold is trouble, a release is none', async t => {
  const trouble = (held: 'hold' | 'release') => sharesStatus(factsOf(shared(5), { held })).trouble
  t.match(trouble('hold'), [/^held by an operator since 2026-11-27T08:00:00Z/])
  t.equal(trouble('release'), undefined)
})

// This node is not among the members that are played.
const left = [
  [5, shared(3), undefined],
  [4, shared(3), [/^only 4 guardians are left: with one less its owner/]],
  [4, escrow, undefined],
] as const
for (const [members, way, trouble] of left)
  t.test(`${members} guardians of ${way.kind} are ${trouble ? 'just enough' : 'no trouble'}`, async t => {
    t.match(sharesStatus(factsOf(way, { members })).trouble ?? [], trouble ?? [])
    t.equal('trouble' in sharesStatus(factsOf(way, { members })), trouble !== undefined)
  })

t.test('64 guardians that lie, and a long reason, still make a status', async t => {
  const found = sharesStatus(factsOf(shared(64), { members: 1, liars: 64, trouble: 'x'.repeat(500) }))
  t.equal(found.trouble?.length, 16)
  t.ok(sharesSchema.safeParse(found).success)
})

const refused = [
  ['a mode that is none', { mode: 'both', members: 1 }],
  ['no number of members', { mode: 'escrow' }],
  ['an epoch without its id', { mode: 'shares', epoch: '4', members: 1 }],
  ['17 lines of trouble', { mode: 'escrow', trouble: Array(17).fill('x'), members: 1 }],
  ['a line of 201 characters', { mode: 'escrow', trouble: ['x'.repeat(201)], members: 1 }],
  [
    'a guardian by another name',
    { mode: 'shares', guardians: [{ nodeId: '../x', reachable: true }], members: 1 },
  ],
] as const
for (const [why, value] of refused)
  t.test(`a status is refused for ${why}`, async t => t.notOk(sharesSchema.safeParse(value).success))
