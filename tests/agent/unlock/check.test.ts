import { randomUUID } from 'node:crypto'
import t from 'tap'
import { checkToken, checkUnchanged } from '../../../agent/unlock/check.ts'
import { macRecord, type NodeRecord } from '../../../protocol/record.ts'
import { sampleRecord } from './node-samples.ts'

const used = sampleRecord(randomUUID())
const key = Buffer.alloc(32, 1)
const kept = macRecord({ ...used, revision: 5 }, key)
const tokenWith = (change: Partial<NodeRecord>) => macRecord({ ...kept.record, ...change }, key)

t.test('checkToken() takes the record that is kept, and each that was to follow it', async t => {
  t.equal(checkToken(kept, kept, key), 'kept')
  t.equal(checkToken(tokenWith({ revision: 6 }), kept, key), 'following')
  t.equal(checkToken(tokenWith({ revision: 6, lastOrder: 9 }), kept, key), 'following')
})

const refused = [
  ['an older revision', tokenWith({ revision: 4 }), /revision 4 is older than 5/],
  ['what was to be the kept revision', tokenWith({ lastOrder: 9 }), /revision 5 is not what was written/],
  ['a revision that nothing leads to', tokenWith({ revision: 7 }), /revision 7 is not what was written/],
  ['another owner', tokenWith({ revision: 6, owner: `0x${'1'.repeat(40)}` }), /its owner is another/],
  [
    'the revision that follows, written into the token',
    { ...kept, record: { ...kept.record, revision: 6 } },
    /not written by this node/,
  ],
  [
    'the revision that follows, by another key',
    macRecord({ ...kept.record, revision: 6 }, Buffer.alloc(32, 2)),
    /not written by this node/,
  ],
] as const

for (const [what, token, message] of refused)
  t.test(`checkToken() refuses: ${what}`, async t => {
    t.throws(() => checkToken(token, kept, key), { message })
  })

t.test('checkUnchanged() takes an equal record, whatever the order of its fields', async t => {
  const turned = Object.fromEntries(Object.entries(structuredClone(used)).reverse()) as NodeRecord
  t.doesNotThrow(() => {
    checkUnchanged(turned, used)
  })
})

const changes: Readonly<Record<string, Partial<NodeRecord>>> = {
  'another agent token': { agentToken: '0'.repeat(64) },
  'one peer less': { wireguard: { ...used.wireguard, peers: [] } },
  'another revision': { revision: used.revision + 1 },
  'another number of the last order': { lastOrder: used.lastOrder + 1 },
}

for (const [what, change] of Object.entries(changes))
  t.test(`checkUnchanged() refuses: ${what}`, async t => {
    t.throws(
      () => {
        checkUnchanged({ ...used, ...change }, used)
      },
      { message: /orama-node: it has changed since this boot/ },
    )
  })
