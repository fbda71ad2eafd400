import { randomUUID } from 'node:crypto'
import t from 'tap'
import { checkUnchanged } from '../../../agent/unlock/check.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { sampleRecord } from './node-samples.ts'

const used = sampleRecord(randomUUID())

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
